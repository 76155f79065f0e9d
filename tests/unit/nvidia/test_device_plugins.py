"""A DaemonSet that mounts the kubelet's device-plugins directory is a device plugin."""

from typing import Any

import pytest

from webhook.nvidia.device_plugins import Vendor, device_plugin_of

KUBELET = "/var/lib/kubelet/device-plugins"


def template(
    label: str, container: str = "main", image: str = "example.com/plugin:1", path: str = KUBELET, **more: object
) -> dict[str, Any]:
    """Return a DaemonSet's template with one container that mounts a path of the host."""
    return {
        "metadata": {"labels": {"name": label}},
        "spec": {
            "containers": [{"name": container, "image": image, "volumeMounts": [{"name": "v"}], **more}],
            "volumes": [{"name": "v", "hostPath": {"path": path}}],
        },
    }


@pytest.mark.parametrize(
    ("pod", "name"),
    [
        (template("volcano-device-plugin"), "Volcano's device plugin"),
        (template("x", image="projecthami/volcano-vgpu-device-plugin:v1.12.0"), "Volcano's vGPU device plugin"),
        (template("x", image="docker.io/projecthami/hami:v2.6"), "HAMi's device plugin"),
        (template("gpushare-device-plugin-ds"), "Alibaba's GPU sharing device plugin"),
        (template("nebuly-nvidia-device-plugin"), "nebuly's device plugin"),
        (template("aws-virtual-gpu-device-plugin"), "AWS' virtual GPU device plugin"),
        (template("x", image="4pdosc/k8s-vdevice:v2"), "4paradigm's vGPU device plugin"),
        (template("gpu-manager-ds"), "Tencent's GPU manager"),
        (template("nvidia-gpu-device-plugin"), "Google's GPU device plugin"),
        (template("x", command=["/usr/bin/nvidia-device-plugin"]), "a device plugin for NVIDIA GPUs"),
        (
            template("nvidia", path="/var/lib/k0s/kubelet/device-plugins/"),
            "a device plugin for NVIDIA GPUs",
        ),
    ],
)
def test_forks_of_nvidias_plugin_are_recognised(pod: dict[str, Any], name: str) -> None:
    """A second plugin beside them would offer the same GPUs twice."""
    found = device_plugin_of(pod)
    assert found is not None
    assert (found.name, found.vendor, found.serves_containers) == (name, Vendor.NVIDIA, True)


@pytest.mark.parametrize("label", ["nvidia-kubevirt-gpu-dp-daemonset", "nvidia-sandbox-device-plugin-daemonset"])
def test_plugins_for_virtual_machines_serve_no_containers(label: str) -> None:
    """They give whole devices away, which have another driver."""
    found = device_plugin_of(template(label))
    assert found is not None
    assert (found.vendor, found.serves_containers) == (Vendor.NVIDIA, False)


@pytest.mark.parametrize(
    ("pod", "vendor"),
    [
        (template("amdgpu-dp-ds"), Vendor.OTHER),
        (template("intel-gpu-plugin"), Vendor.OTHER),
        (template("x", image="ascendhub/ascend-k8sdeviceplugin:v6", container="ascend-plugin"), Vendor.OTHER),
        (template("rdma-shared-dp-ds"), Vendor.OTHER),
        (template("virt-handler", image="quay.io/kubevirt/virt-handler:v1.5"), Vendor.OTHER),
        (template("my-plugin"), Vendor.UNKNOWN),
        (template("gpu-plugin"), Vendor.UNKNOWN),
    ],
)
def test_other_plugins_are_not_taken_for_nvidias(pod: dict[str, Any], vendor: Vendor) -> None:
    """The word gpu alone names no vendor."""
    found = device_plugin_of(pod)
    assert found is not None
    assert found.vendor is vendor


@pytest.mark.parametrize(
    "pod",
    [
        template("nvidia-device-plugin", path="/var/lib/kubelet"),
        template("nvidia-dra", path="/var/lib/kubelet/plugins"),
        template("nvidia", path="/srv/device-plugins"),
        {},
        {"spec": {"containers": [None, "x", {"volumeMounts": "x"}], "volumes": None}},
    ],
)
def test_other_mounts_make_no_device_plugin(pod: dict[str, Any]) -> None:
    """DRA drivers and exporters mount other directories of the kubelet."""
    assert device_plugin_of(pod) is None
