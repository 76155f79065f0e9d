"""What a device plugin's version, role and settings allow."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from webhook.nvidia.known_plugins import KNOWN_PLUGINS, Role
from webhook.nvidia.plugin_settings import PluginSettings, plugin_settings
from webhook.nvidia.plugin_support import (
    DriverRootSupport,
    driver_root_provides_nvml,
    driver_root_support,
    image_version,
    nvml_suffices,
)

REPOSITORY = "nvcr.io/nvidia/k8s-device-plugin"


@pytest.mark.parametrize(
    ("image", "version"),
    [
        (f"{REPOSITORY}:v0.17.4", (0, 17, 4)),
        (f"{REPOSITORY}:0.17.4", (0, 17, 4)),
        (f"{REPOSITORY}:0.18.1-ubi9", (0, 18, 1)),
        (f"{REPOSITORY}:v0.14.5-ubuntu20.04", (0, 14, 5)),
        (f"{REPOSITORY}:v0.20.0-distroless", (0, 20, 0)),
        ("nvidia/k8s-device-plugin:v0.14.0", (0, 14, 0)),
        ("docker.io/nvidia/k8s-device-plugin:1.0.0", (1, 0, 0)),
        ("harbor.example.com:5000/nvcr/nvidia/k8s-device-plugin:v0.18.2", (0, 18, 2)),
        (f"{REPOSITORY}:v0.18.1-rc.1", None),
        (f"{REPOSITORY}:v0.18.1-dev", None),
        (f"{REPOSITORY}:v0.18", None),
        (f"{REPOSITORY}:latest", None),
        (f"{REPOSITORY}:8f14f9c1", None),
        (f"{REPOSITORY}:v0.17.4\n", None),
        (f"{REPOSITORY}:v\u0660.17.4", None),
        (REPOSITORY, None),
        (f"{REPOSITORY}@sha256:{'0' * 64}", None),
        (f"{REPOSITORY}:v0.18.2@sha256:{'0' * 64}", None),
        ("registry.example.com/mirror/gpu-plugin:v0.18.2", None),
        ("registry.example.com/k8s-device-plugin:v0.18.2", (0, 18, 2)),
        ("localhost/k8s-device-plugin:v0.14.5", (0, 14, 5)),
        ("k8s-device-plugin:v0.17.4", (0, 17, 4)),
        ("registry.example.com/4pdosc/k8s-device-plugin:v0.18.2", None),
        ("docker.io/rocm/k8s-device-plugin:1.25.2", None),
        ("registry.example.com/k8s-device-plugin-fork:v0.18.2", None),
        ("projecthami/hami:v2.6.1", None),
        ("localhost:5000/nvidia/k8s-device-plugin", None),
        ("", None),
        (f"{REPOSITORY}:v{'9' * 5000}.1.1", None),
    ],
)
def test_the_version_is_read_from_nvidias_tags(image: str, version: tuple[int, int, int] | None) -> None:
    """A digest, another name and a tag that is no release say nothing."""
    assert image_version(image) == version


def settings(version: str, **changes: Any) -> PluginSettings:  # noqa: ANN401
    """Return the settings of a plugin of this version."""
    return replace(PluginSettings(f"{REPOSITORY}:{version}"), **changes)


WORKS, WORKS_WITH_NVML = DriverRootSupport(), DriverRootSupport("nvml")
TOO_OLD = DriverRootSupport(why_not="the plugin is older than 0.16")
CDI = DriverRootSupport(why_not="a CDI strategy needs the whole driver")
CHOSEN = DriverRootSupport(why_not="the author chose another discovery strategy")
MIXED = DriverRootSupport(why_not="MIG strategy mixed needs plugin 0.18.1")
CONFIGURED = DriverRootSupport(why_not="a configuration file may change the plugin's settings")


@pytest.mark.parametrize(
    ("plugin", "support"),
    [
        (settings("v0.14.5"), TOO_OLD),
        (settings("v0.15.1"), TOO_OLD),
        (settings("v0.16.0"), WORKS_WITH_NVML),
        (settings("v0.17.4"), WORKS_WITH_NVML),
        (settings("v0.18.0"), WORKS_WITH_NVML),
        (settings("v0.18.1"), WORKS),
        (settings("v0.19.3"), WORKS),
        (settings("v1.0.0"), WORKS),
        (settings("latest"), DriverRootSupport(why_not="the image's tag does not tell the plugin's version")),
        (settings("v0.17.4", discovery_strategy="nvml"), WORKS),
        (settings("v0.17.4", discovery_strategy="auto"), CHOSEN),
        (settings("v0.17.4", discovery_strategy=None), CHOSEN),
        (settings("v0.19.3", discovery_strategy="auto"), WORKS),
        (settings("v0.19.3", discovery_strategy="tegra"), CHOSEN),
        (settings("v0.19.3", discovery_strategy=None), CHOSEN),
        (settings("v0.17.4", mig_strategy="single"), WORKS_WITH_NVML),
        (settings("v0.17.4", mig_strategy="mixed"), MIXED),
        (settings("v0.17.4", mig_strategy=None), MIXED),
        (settings("v0.18.2", mig_strategy="mixed"), WORKS),
        (settings("v0.19.3", list_strategies=frozenset({"volume-mounts"})), WORKS),
        (settings("v0.19.3", list_strategies=frozenset({"cdi-cri"})), CDI),
        (settings("v0.19.3", list_strategies=frozenset({"envvar", "cdi-annotations"})), CDI),
        (
            settings("v0.19.3", list_strategies=None),
            DriverRootSupport(why_not="the pod does not show the device list strategy"),
        ),
        (settings("v0.19.3", is_configured=True), CONFIGURED),
        (
            settings("v0.19.3", has_driver_root=True),
            DriverRootSupport(why_not="the plugin has a driver root of its own"),
        ),
    ],
)
def test_a_driver_root_works_from_a_version_on(plugin: PluginSettings, support: DriverRootSupport) -> None:
    """From 0.18.1; from 0.16 with the discovery strategy nvml; never where something unknown could break it."""
    assert driver_root_support(Role.DEVICE_PLUGIN, plugin) == support
    assert support.works is not bool(support.why_not)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.DEVICE_PLUGIN])
def test_only_the_device_plugin_knows_a_driver_root(role: Role) -> None:
    """Feature discovery has it in no version, though its image is the same."""
    assert not driver_root_support(role, settings("v0.19.3")).works


@pytest.mark.parametrize(
    ("plugin", "provides"),
    [
        (settings("v0.14.5"), False),
        (settings("v0.17.4"), False),
        (settings("v0.17.4", discovery_strategy="nvml"), True),
        (settings("v0.15.0", discovery_strategy="nvml"), False),
        (settings("v0.17.4", discovery_strategy=None), None),
        (settings("v0.17.4", is_configured=True), None),
        (settings("v0.18.1"), True),
        (settings("latest"), None),
    ],
)
def test_the_authors_driver_root_provides_nvml_from_a_version_on(
    plugin: PluginSettings,
    provides: bool | None,  # noqa: FBT001
) -> None:
    """An unknown version is neither yes nor no."""
    assert driver_root_provides_nvml(plugin) is provides


@pytest.mark.parametrize(
    ("role", "strategies", "suffices"),
    [
        (Role.DEVICE_PLUGIN, {"envvar"}, True),
        (Role.DEVICE_PLUGIN, {"volume-mounts"}, True),
        (Role.DEVICE_PLUGIN, {"cdi-cri"}, False),
        (Role.DEVICE_PLUGIN, {"cdi-annotations"}, False),
        (Role.DEVICE_PLUGIN, {"envvar", "cdi-cri"}, False),
        (Role.DEVICE_PLUGIN, None, None),
        (Role.FEATURE_DISCOVERY, None, True),
        (Role.EXPORTER, None, True),
        (Role.OTHER, None, True),
        (Role.MPS_CONTROL_DAEMON, {"envvar"}, False),
    ],
)
def test_nvml_suffices_for_what_only_asks_for_devices(
    role: Role,
    strategies: set[str] | None,
    suffices: bool | None,  # noqa: FBT001
) -> None:
    """The MPS daemon runs programs of the host, and CDI strategies need the whole driver."""
    assert nvml_suffices(role, None if strategies is None else frozenset(strategies)) is suffices


def variable(name: str, value: str | None = None) -> dict[str, Any]:
    """Return an env entry, from elsewhere if there is no value."""
    return {"name": name, "valueFrom": {}} if value is None else {"name": name, "value": value}


IMAGE = f"{REPOSITORY}:v0.17.4"


@pytest.mark.parametrize(
    ("container", "changes"),
    [
        ({}, {}),
        ({"env": [variable("MIG_STRATEGY", "mixed")]}, {"mig_strategy": "mixed"}),
        ({"args": ["--mig-strategy=single"]}, {"mig_strategy": "single"}),
        (
            {"args": ["--mig-strategy", "single"], "env": [variable("MIG_STRATEGY", "mixed")]},
            {"mig_strategy": "single"},
        ),
        ({"env": [variable("MIG_STRATEGY", "none"), variable("MIG_STRATEGY", "mixed")]}, {"mig_strategy": "mixed"}),
        ({"env": [variable("MIG_STRATEGY")]}, {"mig_strategy": None}),
        ({"env": [variable("DEVICE_DISCOVERY_STRATEGY", "nvml")]}, {"discovery_strategy": "nvml"}),
        ({"env": [variable("DEVICE_DISCOVERY_STRATEGY")]}, {"discovery_strategy": None}),
        (
            {"env": [variable("DEVICE_LIST_STRATEGY", "cdi-annotations, cdi-cri")]},
            {"list_strategies": frozenset({"cdi-annotations", "cdi-cri"})},
        ),
        ({"env": [variable("NVIDIA_DRIVER_ROOT", "/")]}, {"has_driver_root": True}),
        ({"env": [variable("CONTAINER_DRIVER_ROOT", "/x")]}, {"has_driver_root": True}),
        ({"args": ["--nvidia-driver-root=/run/nvidia/driver"]}, {"has_driver_root": True}),
        ({"volumeMounts": [{"mountPath": "/driver-root"}]}, {"has_driver_root": True}),
        ({"volumeMounts": [{"mountPath": "/driver-root/usr/"}]}, {"has_driver_root": True}),
        ({"volumeMounts": [{"mountPath": "/driver-roots"}, {"mountPath": None}]}, {}),
        (
            {"env": [variable("CONFIG_FILE", "/config/config.yaml")]},
            {"is_configured": True, "list_strategies": None, "mig_strategy": None, "discovery_strategy": None},
        ),
        (
            {"command": ["sh", "-c", "nvidia-device-plugin --mig-strategy=mixed"]},
            {"list_strategies": None, "mig_strategy": None, "discovery_strategy": None},
        ),
    ],
)
def test_settings_are_read_from_flags_and_variables(container: dict[str, Any], changes: dict[str, Any]) -> None:
    """Flags win over variables, and the last variable of a name counts; what is not in the pod is unknown."""
    assert plugin_settings({"image": IMAGE, **container}) == replace(PluginSettings(IMAGE), **changes)


class Words(list[str]):
    """Words that count how many of them are read."""

    read = 0

    def __iter__(self) -> Iterator[str]:
        for word in super().__iter__():
            self.read += 1
            yield word


def test_settings_after_very_many_words_are_unknown() -> None:
    """No real plugin has so many; reading all of them again and again would keep other requests waiting."""
    words = Words(["--x"] * 100_000 + ["--mig-strategy=single"])
    found = plugin_settings({"image": IMAGE, "args": words})
    assert (found.mig_strategy, found.list_strategies, found.is_configured) == (None, None, True)
    assert words.read < len(words)


def test_each_known_container_has_its_role() -> None:
    """The chart uses one label and one image for three programs."""
    roles = {name: plugin.role for plugin in KNOWN_PLUGINS for name in plugin.containers}
    assert roles["nvidia-device-plugin-ctr"] is Role.DEVICE_PLUGIN
    assert roles["gpu-feature-discovery-ctr"] is Role.FEATURE_DISCOVERY
    assert roles["mps-control-daemon-ctr"] is Role.MPS_CONTROL_DAEMON
    assert roles["dcgm-exporter"] is Role.EXPORTER
