"""A small cluster with a device plugin, as API objects: what the tests of blind plugin pods and their repair share."""

from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

from webhook.view.projections import view_of
from webhook.view.view import ClusterView

Json = dict[str, Any]

NAMESPACE = "kube-system"
PLUGIN = "nvidia-device-plugin-daemonset"
PRESENT = {"nvidia.com/gpu.present": "true"}
LABELS = {"name": "nvidia-device-plugin-ds"}
NVML = {"name": "nvml", "hostPath": {"path": "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "type": "File"}}
VARIABLES = st.fixed_dictionaries(
    {
        "name": st.sampled_from(
            ["LD_LIBRARY_PATH", "PASS_DEVICE_SPECS", "PORT", "CONFIG_FILE", "DEVICE_DISCOVERY_STRATEGY"]
        ),
        "value": st.sampled_from(["", "/opt/lib", "true", "nvml"]),
    }
)
PLACES = ["/data", "/dev", "/usr/local", "/usr/local/lib/x", "/", "/driver-root"]
IMAGES = [f"nvcr.io/nvidia/k8s-device-plugin:{tag}" for tag in ("v0.14.5", "v0.17.4", "v0.18.2", "latest")]
MOUNTS = st.fixed_dictionaries({"name": st.just("own"), "mountPath": st.sampled_from(PLACES)})
CONTEXTS = st.fixed_dictionaries(
    {}, optional={"privileged": st.booleans(), "allowPrivilegeEscalation": st.booleans(), "runAsUser": st.just(0)}
)
OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "image": st.sampled_from(IMAGES),
        "env": st.none() | st.lists(VARIABLES, max_size=3),
        "volumeMounts": st.none() | st.lists(MOUNTS, max_size=2),
        "securityContext": st.none() | CONTEXTS,
    },
)


def node(name: str, *, labels: Mapping[str, str] = PRESENT, gpus: str = "", handlers: Iterable[str] = ()) -> Json:
    """Return a node of Ubuntu; ``gpus`` is what it offers, nothing where the plugin never registered."""
    resources = {"cpu": "8", **({"nvidia.com/gpu": gpus} if gpus else {})}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": dict(labels)},
        "status": {
            "nodeInfo": {"osImage": "Ubuntu 24.04.3 LTS", "architecture": "amd64", "kernelVersion": "6.8.0"},
            "capacity": resources,
            "allocatable": resources,
            "runtimeHandlers": [{"name": handler} for handler in handlers],
        },
    }


def daemon_set(
    name: str = PLUGIN,
    *,
    labels: Mapping[str, str] = LABELS,
    container: str = "nvidia-device-plugin-ctr",
    namespace: str = NAMESPACE,
    **spec: Any,  # noqa: ANN401  a pod's spec
) -> Json:
    """Return a plugin's DaemonSet; its UID is ``uid-of-<name>``."""
    template = {"metadata": {"labels": dict(labels)}, "spec": {"containers": [{"name": container}], **spec}}
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-of-{name}"}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": {"template": template}}


@st.composite
def daemon_sets(draw: st.DrawFn) -> Json:
    """Draw a plugin's DaemonSet beside whose container another one stands; whatever their authors wrote."""
    plugin = {"name": "nvidia-device-plugin-ctr", **draw(OTHERS)}
    return daemon_set(
        volumes=[{"name": "own", "emptyDir": {}}], containers=[{"name": "sidecar", **draw(OTHERS)}, plugin]
    )


def pod_of(owner: Json, node_name: str, *, ready: bool = True, phase: str = "Running", **spec: Any) -> Json:  # noqa: ANN401
    """Return the pod of a DaemonSet on a node as it was made without us, with more for its spec."""
    template, name = owner["spec"]["template"], owner["metadata"]["name"]
    reference = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": name, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{node_name}",
            "namespace": owner["metadata"]["namespace"],
            "uid": f"uid-of-{name}-{node_name}",
            "labels": template["metadata"]["labels"],
            "ownerReferences": [reference | {"uid": owner["metadata"]["uid"]}],
        },
        "spec": {**template["spec"], "nodeName": node_name, **spec},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def namespace(name: str = NAMESPACE, **labels: str) -> Json:
    """Return a namespace."""
    labels = {"kubernetes.io/metadata.name": name, **labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def runtime_class() -> Json:
    """Return RuntimeClass nvidia."""
    metadata = {"name": "nvidia"}
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": metadata, "handler": "nvidia"}


def view(*objects: Json) -> ClusterView:
    """Return the view of these objects and namespace kube-system."""
    return view_of([namespace(), *objects])
