"""What plugin pods and the templates of their DaemonSets show."""

from datetime import UTC, datetime
from typing import Any

import pytest

from webhook.nvidia.known_plugins import Role
from webhook.view.plugin_projections import PluginProjection
from webhook.view.view import Plugin

PROJECTION = PluginProjection()
CHART = {"app.kubernetes.io/name": "nvidia-device-plugin"}


def pod(container: str = "nvidia-device-plugin-ctr", labels: Any = CHART, **container_fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a pod of NVIDIA's chart."""
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "plugin", "uid": "ds-1", "controller": True}
    return {
        "metadata": {"name": "plugin-1", "namespace": "kube-system", "labels": labels, "ownerReferences": [owner]},
        "spec": {"nodeName": "a", "containers": [{"name": container, **container_fields}]},
    }


def plugin(**container_fields: Any) -> Plugin:  # noqa: ANN401
    """Return what a device plugin's pod shows with these fields of its container."""
    return PROJECTION.pod(pod(**container_fields)).plugin


@pytest.mark.parametrize(
    ("container", "labels", "role"),
    [
        ("nvidia-device-plugin-ctr", CHART, Role.DEVICE_PLUGIN),
        ("gpu-feature-discovery-ctr", CHART, Role.FEATURE_DISCOVERY),
        ("mps-control-daemon-ctr", CHART, Role.MPS_CONTROL_DAEMON),
        ("dcgm-exporter", {"app.kubernetes.io/name": "dcgm-exporter"}, Role.EXPORTER),
    ],
)
def test_plugin_pods_have_a_role(container: str, labels: dict[str, str], role: Role) -> None:
    """Four parts of NVIDIA's charts need the driver, and only one hands GPUs out."""
    found = PROJECTION.pod(pod(container, labels))
    assert (found.plugin.role, found.plugin.hands_out_gpus) == (role, role is Role.DEVICE_PLUGIN)
    template = {"spec": {"template": pod(container, labels)}, "metadata": {"name": "ds", "namespace": "kube-system"}}
    assert PROJECTION.daemon_set(template).plugin.role is role


@pytest.mark.parametrize(
    ("fields", "prefix"),
    [
        ({}, "cdi.k8s.io/"),
        ({"env": [{"name": "CDI_ANNOTATION_PREFIX", "value": "nvidia.cdi.k8s.io/"}]}, "nvidia.cdi.k8s.io/"),
        ({"args": ["--cdi-annotation-prefix=nvidia.cdi.k8s.io/"]}, "nvidia.cdi.k8s.io/"),
        ({"args": ["--cdi-annotation-prefix", "x/"], "env": [{"name": "CDI_ANNOTATION_PREFIX", "value": "y/"}]}, "x/"),
        ({"env": [{"name": "CONFIG_FILE", "value": "/config/config.yaml"}]}, None),
        ({"envFrom": [{"configMapRef": {"name": "settings"}}]}, None),
        ({"command": ["sh", "-c", "exec nvidia-device-plugin"]}, None),
        ({"env": [{"name": "CDI_ANNOTATION_PREFIX", "valueFrom": {"configMapKeyRef": {}}}]}, None),
    ],
    ids=str,
)
def test_the_prefix_of_cdi_annotations(fields: dict[str, Any], prefix: str | None) -> None:
    """Only NVIDIA's runtime reads another prefix than the default; what a file decides is unknown."""
    assert plugin(**fields).cdi_prefix == prefix


@pytest.mark.parametrize(
    ("annotation", "volume", "patched"),
    [
        (None, None, False),
        ("leave/nvml-provided", None, False),
        ("bootstrap/runtime-class", None, True),
        ("bootstrap/driver-root", None, True),
        (None, "gpu-injector-nvml", True),
        (None, "gpu-injector-driver-root", True),
        (None, "device-plugin", False),
    ],
)
def test_our_patch_is_recognised(annotation: str | None, volume: str | None, patched: bool) -> None:  # noqa: FBT001
    """By the annotation, or by a volume of ours."""
    item = pod()
    if annotation:
        item["metadata"]["annotations"] = {"gpu-injector.io/decision": annotation}
    if volume:
        item["spec"]["volumes"] = [{"name": volume, "hostPath": {"path": "/x"}}]
    found = PROJECTION.pod(item)
    assert (found.patched, found.decision) == (patched, annotation or "")


def waiting(name: str, reason: str, restarts: Any = 0) -> dict[str, Any]:  # noqa: ANN401
    """Return the status of a container that waits."""
    return {"name": name, "restartCount": restarts, "state": {"waiting": {"reason": reason}}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, ("", "", 0)),
        ({"phase": "Running", "containerStatuses": [{"name": "x", "state": {"running": {}}}]}, ("Running", "", 0)),
        (
            {"phase": "Pending", "containerStatuses": [waiting("x", "ContainerCreating")]},
            ("Pending", "ContainerCreating", 0),
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    waiting("sidecar", "ImagePullBackOff", 1),
                    waiting("nvidia-device-plugin-ctr", "CrashLoopBackOff", 3),
                ],
            },
            ("Running", "CrashLoopBackOff", 4),
        ),
        ({"initContainerStatuses": [waiting("init", "PodInitializing", "odd")]}, ("", "PodInitializing", 0)),
    ],
)
def test_why_a_plugin_pod_waits(status: dict[str, Any], expected: tuple[str, str, int]) -> None:
    """The plugin's own container comes first."""
    found = PROJECTION.pod({**pod(), "status": status})
    assert (found.phase, found.waiting, found.restarts) == expected


@pytest.mark.parametrize(
    ("written", "since"),
    [
        ("2026-11-27T10:00:00Z", datetime(2026, 11, 27, 10, tzinfo=UTC)),
        (datetime(2026, 11, 27, 10, tzinfo=UTC), datetime(2026, 11, 27, 10, tzinfo=UTC)),
        ("yesterday", None),
        ("2" * 1000, None),
        (None, None),
    ],
    ids=str,
)
def test_since_when_a_plugin_pod_is_ready(written: object, since: datetime | None) -> None:
    """As the kubelet wrote it."""
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": written}
    found = PROJECTION.pod({**pod(), "status": {"conditions": [{"type": "Initialized"}, condition]}})
    assert (found.ready, found.ready_since) == (True, since)


def test_the_daemon_set_of_a_pod_is_named() -> None:
    """An observation is kept by its name."""
    found = PROJECTION.pod(pod())
    assert (found.owner, found.owner_name) == ("ds-1", "plugin")
