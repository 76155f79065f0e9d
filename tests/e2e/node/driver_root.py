"""The plugin with the host's driver below a root of its own: NVIDIA's setting, written by hand and without a webhook.

``NVIDIA_DRIVER_ROOT=/`` and ``DRIVER_ROOT_CTR_PATH=/driver-root`` are the plugin's defaults from 0.16 on.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from e2e.node.plugin import CONTAINER, Release, static_release

ROOT = Path("/driver-root")
VOLUME = "driver-root"
# This version does not look there by itself.
SETTINGS = {"0.17": {"DEVICE_DISCOVERY_STRATEGY": "nvml"}}


def driver_root_release(minor: str, host: str = "/usr") -> Release:
    """Return NVIDIA's manifest of a version; its plugin has a folder of the host, read-only, below the root."""
    release = static_release(minor)
    return replace(release, manifests=tuple(_with_root(one, minor, Path(host)) for one in release.manifests))


def _with_root(manifest: Mapping[str, Any], minor: str, host: Path) -> Mapping[str, Any]:
    if manifest["kind"] != "DaemonSet":
        return manifest
    template = manifest["spec"]["template"]
    spec = template["spec"]
    containers = [_rooted(one, minor, host) if one["name"] == CONTAINER else one for one in spec["containers"]]
    volume = {"name": VOLUME, "hostPath": {"path": str(host), "type": "Directory"}}
    spec = {**spec, "containers": containers, "volumes": [*spec["volumes"], volume]}
    return {**manifest, "spec": {**manifest["spec"], "template": {**template, "spec": spec}}}


def _rooted(container: Mapping[str, Any], minor: str, host: Path) -> Mapping[str, Any]:
    mount = {"name": VOLUME, "mountPath": str(ROOT / host.relative_to("/")), "readOnly": True}
    settings = {"PASS_DEVICE_SPECS": "true", **SETTINGS.get(minor, {})}
    return {
        **container,
        "securityContext": {"privileged": True},
        "env": [*container.get("env", ()), *({"name": name, "value": value} for name, value in settings.items())],
        "volumeMounts": [*container["volumeMounts"], mount],
    }
