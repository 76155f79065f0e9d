"""A plugin pod gets no patch that cannot work on its node, or that the cluster's admission would refuse."""

from typing import Any

import pytest
from support.plugin_world import PRESENT, daemon_set, node, runtime_class, view

from webhook.decide.decision import Decision, RequestInfo
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.plugin.unserved_plugins import CREATOR, next_pod
from webhook.policy.model import Bootstrap, Driver, Policy

Json = dict[str, Any]
FACTS = RequestInfo("kube-system", username=CREATOR)
GROUPS = {"apiVersion": "v1", "kind": "APIGroupList"}
CHART = {"app.kubernetes.io/name": "nvidia-device-plugin"}


def host(image: str = "Ubuntu 22.04.5 LTS", kernel: str = "6.8.0-71-generic") -> Json:
    """Return a GPU node of some system."""
    item = node("gpu-1")
    item["status"]["nodeInfo"] |= {"osImage": image, "kernelVersion": kernel}
    return item


def decided(*objects: Json, owner: Json | None = None, policy: Policy | None = None) -> Decision:
    """Return the decision for the next pod of a plugin's DaemonSet on gpu-1."""
    cluster = view(owner or daemon_set(), *objects)
    (found,) = (cluster.daemon_sets or {}).values()
    return decide_plugin(next_pod(found, "gpu-1"), FACTS, policy or Policy(), cluster)


HOSTS = {
    "ubuntu": (host(), "bootstrap/nvml"),
    "rhel": (host("Red Hat Enterprise Linux 9.6 (Plow)"), "bootstrap/nvml"),
    "rhcos": (host("Red Hat Enterprise Linux CoreOS 418.94.202501221327-0"), "leave/driver-unknown"),
    "okd": (host("CentOS Stream CoreOS 9.0.20250510-0"), "leave/driver-unknown"),
    "fedora-coreos": (host("Fedora CoreOS 42.20250623.3.1"), "leave/driver-unknown"),
    "ubuntu-core": (host("Ubuntu Core 24"), "leave/driver-unknown"),
    "talos": (host("Talos (v1.11.2)", "6.12.48-talos"), "leave/driver-unknown"),
    "gke-ubuntu-kernel": (host(kernel="6.8.0-1013-gke"), "leave/driver-unknown"),
    "wsl": (host(kernel="5.15.167.4-microsoft-standard-WSL2"), "leave/nvml-insufficient"),
}


@pytest.mark.parametrize(("item", "word"), HOSTS.values(), ids=HOSTS.keys())
def test_nvml_is_mounted_only_where_its_directory_is_certain(item: Json, word: str) -> None:
    """A typed hostPath that does not exist blocks the pod forever."""
    assert decided(item).word == word


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("cloud.google.com/gke-nodepool", "gpus", "leave/driver-unknown"),
        ("cloud.google.com/gke-os-distribution", "ubuntu", "leave/driver-unknown"),
        ("nvidia.com/gpu.deploy.driver", "true", "leave/driver-unknown"),
        ("nvidia.com/gpu.deploy.driver", "paused-for-driver-upgrade", "leave/driver-unknown"),
        ("nvidia.com/gpu.deploy.driver", "pre-installed", "bootstrap/nvml"),
        ("nvidia.com/gpu.workload.config", "vm-passthrough", "leave/no-gpu-evidence"),
        ("nvidia.com/gpu.workload.config", "vm-vgpu", "leave/no-gpu-evidence"),
        ("nvidia.com/gpu.workload.config", "container", "bootstrap/nvml"),
    ],
)
def test_labels_say_where_the_driver_is_not(key: str, value: str, word: str) -> None:
    """GKE and the GPU Operator keep it elsewhere; a GPU of virtual machines has another driver."""
    assert decided(node("gpu-1", labels=PRESENT | {key: value})).word == word


def test_a_vm_node_gets_no_class_either() -> None:
    """Under the class the pod would not start without a driver; capacity of earlier days changes nothing."""
    labels = PRESENT | {"nvidia.com/gpu.workload.config": "vm-passthrough"}
    item = node("gpu-1", labels=labels, gpus="1", handlers=["nvidia"])
    assert decided(item, runtime_class()).word == "leave/no-gpu-evidence"


def test_a_handler_is_no_evidence_of_a_gpu() -> None:
    """One node image may be used for all nodes."""
    assert decided(node("gpu-1", labels={}, handlers=["nvidia"]), runtime_class()).word == "leave/no-gpu-evidence"


def test_an_administrators_profile_comes_first() -> None:
    """The administrator may know better."""
    policy = Policy(drivers=(Driver(os_image="Ubuntu Core*", directory="/usr/lib/{triplet}"),))
    assert decided(host("Ubuntu Core 24"), policy=policy).word == "bootstrap/nvml"


@pytest.mark.parametrize(
    ("handlers", "handler"),
    [(["runc", "nvidia"], "nvidia"), (["nvidia-container-runtime"], "nvidia-container-runtime")],
)
def test_a_missing_class_is_named_where_the_node_has_its_handler(handlers: list[str], handler: str) -> None:
    """Talos with the toolkit's extension needs the RuntimeClass, and no mount."""
    item = host("Talos (v1.11.2)")
    item["status"]["runtimeHandlers"] = [{"name": name} for name in handlers]
    (warning,) = decided(item, {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClassList"}).warnings
    assert f"create RuntimeClass nvidia with handler {handler}" in warning


def strategy(**container: Any) -> Json:  # noqa: ANN401  fields of a container
    """Return a plugin's DaemonSet whose container has more fields."""
    return daemon_set(containers=[{"name": "nvidia-device-plugin-ctr", **container}])


INSUFFICIENT = {
    "mps": daemon_set("mps", labels=CHART, container="mps-control-daemon-ctr"),
    "cdi-annotations": strategy(env=[{"name": "DEVICE_LIST_STRATEGY", "value": "cdi-annotations"}]),
    "cdi-cri-in-args": strategy(args=["--device-list-strategy=envvar,cdi-cri"]),
}


@pytest.mark.parametrize("owner", INSUFFICIENT.values(), ids=INSUFFICIENT.keys())
def test_plugins_that_need_more_than_nvml_get_the_class_or_nothing(owner: Json) -> None:
    """Privileges without effect are never added."""
    assert decided(host(), owner=owner).word == "leave/nvml-insufficient"
    proven = node("gpu-1", handlers=["nvidia"])
    assert decided(proven, runtime_class(), owner=owner).word == "bootstrap/runtime-class"


def test_an_unknown_strategy_is_not_cdi() -> None:
    """A configuration file decides it: unknown is not "no", and not "yes"."""
    owner = strategy(env=[{"name": "CONFIG_FILE", "value": "/config.yaml"}])
    assert decided(host(), owner=owner).word == "bootstrap/nvml"


@pytest.mark.parametrize(
    ("group", "guard", "word"),
    [
        ("security.openshift.io", "SecurityContextConstraints", "leave/pod-security"),
        ("kyverno.io", "Kyverno", "leave/admission-policy"),
        ("templates.gatekeeper.sh", "Gatekeeper", "leave/admission-policy"),
        ("policies.kubewarden.io", "Kubewarden", "leave/admission-policy"),
    ],
)
def test_guards_are_checked_for_plugin_pods(group: str, guard: str, word: str) -> None:
    """They may refuse a privileged pod; the class needs no privilege, and the administrator may vouch."""
    groups = GROUPS | {"groups": [{"name": group}]}
    refused = decided(host(), groups)
    assert refused.word == word
    assert guard in refused.warnings[0]
    granted = Policy(bootstrap=Bootstrap(privileged_granted=True))
    assert decided(host(), groups, policy=granted).word == "bootstrap/nvml"
    assert decided(node("gpu-1", handlers=["nvidia"]), runtime_class(), groups).word == "bootstrap/runtime-class"


def test_a_volume_of_our_name_is_the_authors() -> None:
    """A second volume of the name would get the pod rejected, and the author's holds other files."""
    owner = daemon_set(volumes=[{"name": "gpu-injector-nvml", "emptyDir": {}}])
    assert decided(host(), owner=owner).word == "leave/mount-conflict"
