"""NVIDIA's device plugin as DaemonSets of kube-system, each with another way to get its library (NVML).

The DaemonSet controller makes their pods, which are opted out (all but "missed"): they stay as if they had been there
before us. Nothing runs: the tests act as scheduler and kubelet, and bind the pods and write their status.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from e2e.kubectl import Kubectl, as_list
from e2e.namespaces import INJECT
from e2e.processes import until

NAMESPACE = "kube-system"
PLUGIN_LABEL = "example.com/plugin"
LABELS = {"name": "nvidia-device-plugin-ds"}

PASSES_DEVICES = {"env": [{"name": "PASS_DEVICE_SPECS", "value": "true"}]}
DEBIAN_DIRECTORY = "/usr/lib/x86_64-linux-gnu"
RHEL_DIRECTORY = "/usr/lib64"


OPTED_OUT = {INJECT: "disabled"}


def daemon_set(
    plugin: str, container: Mapping[str, Any], *, opt: Mapping[str, str] = OPTED_OUT, **spec: object
) -> dict[str, Any]:
    """Return the DaemonSet of one plugin; its nodes are those with its name in their label."""
    labels = {**LABELS, PLUGIN_LABEL: plugin, **opt}
    template = {
        "nodeSelector": {PLUGIN_LABEL: plugin},
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "nvidia-device-plugin-ctr", "image": "registry.example.com/plugin:1", **container}],
        **spec,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": f"plugin-{plugin}", "namespace": NAMESPACE, "labels": LABELS},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template},
        },
    }


def mounting(plugin: str, directory: str, container: Mapping[str, Any]) -> dict[str, Any]:
    """Return the DaemonSet of a plugin that gets NVML by a mount of the host's file."""
    mount = {"name": "nvml", "mountPath": "/usr/local/lib/libnvidia-ml.so.1", "readOnly": True}
    volume = {"name": "nvml", "hostPath": {"path": f"{directory}/libnvidia-ml.so.1", "type": "File"}}
    return daemon_set(plugin, {**container, "volumeMounts": [mount]}, volumes=[volume])


PLUGINS: Mapping[str, dict[str, Any]] = {
    "plain": daemon_set("plain", PASSES_DEVICES),
    "missed": daemon_set("missed", PASSES_DEVICES, opt={}),
    "class": daemon_set("class", PASSES_DEVICES, runtimeClassName="nvidia"),
    "cdi": daemon_set("cdi", {"args": ["--device-list-strategy", "cdi-cri"]}),
    "mount-debian": mounting("mount-debian", DEBIAN_DIRECTORY, PASSES_DEVICES),
    "mount-rhel": mounting("mount-rhel", RHEL_DIRECTORY, PASSES_DEVICES),
    "mount-without-devices": mounting("mount-without-devices", DEBIAN_DIRECTORY, {}),
}


@contextmanager
def device_plugins(kubectl: Kubectl, plugins: Mapping[str, str]) -> Iterator[None]:
    """Run the plugins, one for each node (node to plugin), until the context ends."""
    kubectl.apply(PLUGINS[name] for name in sorted(set(plugins.values())))
    try:
        start(kubectl, _pods(kubectl, plugins))
        yield
    finally:
        ours = ("--namespace", NAMESPACE, "--selector", f"name={LABELS['name']}")
        # Their garbage collector would wait for kubelets to say that the containers have ended.
        kubectl.run("delete", "daemonsets", *ours, "--cascade=orphan")
        kubectl.run("delete", "pods", *ours, "--force", "--grace-period=0")
        # Events live an hour longer than their object, and the next DaemonSet may have the same name.
        told_of = ("--namespace", NAMESPACE, "--field-selector", "involvedObject.kind=DaemonSet")
        kubectl.run("delete", "events", *told_of)


def _pods(kubectl: Kubectl, plugins: Mapping[str, str]) -> Mapping[str, dict[str, Any]]:
    """Wait until the DaemonSet controller has made the pod of every node, and return them by node."""

    def made() -> dict[str, dict[str, Any]]:
        by_node = pods_by_node(kubectl)
        return by_node if by_node.keys() == plugins.keys() else {}

    return until(made, f"plugin pods for {', '.join(plugins)}")


def pods_by_node(kubectl: Kubectl) -> dict[str, dict[str, Any]]:
    """Return the plugin pods by the node that they are for; on each there is one at most."""
    found = kubectl.get("pods", "--namespace", NAMESPACE, "--selector", PLUGIN_LABEL)["items"]
    return {_target(pod): pod for pod in found}


def _target(pod: Mapping[str, Any]) -> str:
    affinity = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    name: str = affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
    return name


def start(kubectl: Kubectl, pods: Mapping[str, dict[str, Any]]) -> None:
    """Bind every pod to its node, and report it Running and Ready; in the order of the nodes' names."""
    ordered = sorted(pods.items())
    kubectl.run("create", "-f", "-", stdin=as_list(_binding(node, pod) for node, pod in ordered))
    kubectl.run("replace", "--subresource=status", "-f", "-", stdin=as_list(_running(pod) for _, pod in ordered))


def _binding(node: str, pod: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": pod["metadata"]["name"], "namespace": NAMESPACE}
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    return {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}


def _running(pod: Mapping[str, Any]) -> dict[str, Any]:
    # Without a resourceVersion: the binding has changed the pod since it was read.
    metadata = {key: value for key, value in pod["metadata"].items() if key != "resourceVersion"}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return {**pod, "metadata": metadata, "status": status}
