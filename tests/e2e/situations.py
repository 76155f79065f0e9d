"""Situations of a pod in a cluster: the RuntimeClass's state, the pool of nodes, the decision and its warning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from e2e.gpu_nodes import ACCELERATOR_LABEL, POOL_LABEL
from e2e.kubectl import Manifest
from e2e.namespaces import ENABLED, INJECT
from e2e.pods import container, pod

BASELINE, RESTRICTED = "team-baseline", "team-restricted"
ENFORCED = {BASELINE: "baseline", RESTRICTED: "restricted"}

NAMESPACES: tuple[Manifest, ...] = tuple(
    {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {INJECT: "enabled", "pod-security.kubernetes.io/enforce": level}},
    }
    for name, level in ENFORCED.items()
)


def runtime_class(metadata: Mapping[str, Any] | None = None, **fields: object) -> dict[str, Any]:
    """Return RuntimeClass nvidia."""
    named = {"name": "nvidia", **(metadata or {})}
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": named, "handler": "nvidia", **fields}


# k3s and RKE2 make the class on every cluster, and mark it so.
K3S_MARKS = {
    "annotations": {"objectset.rio.cattle.io/id": "", "objectset.rio.cattle.io/owner-name": "runtimes"},
    "labels": {"objectset.rio.cattle.io/hash": "c0e4b3ab5f4e1bd54bd6f0f4ef6c0e93fc18fa7b"},
}

CLASSES: Mapping[str, dict[str, Any] | None] = {
    "own": runtime_class(),
    "distribution": runtime_class(K3S_MARKS),
    "scheduling": runtime_class(scheduling={"nodeSelector": {ACCELERATOR_LABEL: "nvidia"}}),
    "absent": None,
}


@dataclass(frozen=True, slots=True)
class Situation:
    """A pod, the decision that it carries, and a part of the warning that its author reads, empty for none."""

    word: str
    pod: Manifest
    warning: str = ""


def on(pool: str, *containers: Manifest, namespace: str = ENABLED, **spec: object) -> dict[str, Any]:
    """Return a GPU pod that selects the nodes of a pool."""
    author = pod(namespace, *containers, nodeSelector={POOL_LABEL: pool})
    author["spec"] |= spec
    return author


def only_node(name: str) -> dict[str, Any]:
    """Return the affinity of a pod that must run on one node."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


HARMLESS = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
# The author has mounted something at each place of a library in a container.
TAKEN = container(
    gpus=1,
    volumeMounts=[
        {"name": "own", "mountPath": place}
        for place in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/nvidia/lib64")
    ],
)
NOT_FOUND = 'RuntimeClass "nvidia" not found'
NO_NODE = 'no node runs RuntimeClass "nvidia"'

INJECTED = "inject/runtime-class"
MOUNTED = "mount/handler-missing"

SITUATIONS: Mapping[str, Mapping[str, Situation]] = {
    "own": {
        "handler proven": Situation(INJECTED, on("proven")),
        "handler not reported": Situation(INJECTED, on("unreported")),
        "one of two nodes wanted": Situation(INJECTED, on("half-proven", affinity=only_node("half-proven-1"))),
        "handler on some nodes": Situation("leave/handler-mixed", on("half-proven"), "some nodes cannot run"),
        "handler on no node": Situation("leave/handler-missing", on("runc-only"), NO_NODE),
        "docker": Situation("leave/handler-missing", on("docker"), NO_NODE),
        "platform": Situation("leave/platform-provides", on("platform")),
        "plugin hands out by CDI": Situation("leave/cdi", on("cdi")),
        "CDI on some nodes": Situation("leave/provider-mixed", on("two-providers"), "in different ways"),
        "plugin with a mount": Situation(MOUNTED, on("mounted")),
        "plugin with a mount, Rocky": Situation(MOUNTED, on("mounted-rocky")),
        "plugin without devices": Situation(MOUNTED, on("mounted-without-devices"), "PASS_DEVICE_SPECS=true"),
        "two systems": Situation("leave/driver-mixed", on("two-systems"), "nodes differ in their driver"),
        "unknown system": Situation("leave/driver-unknown", on("unknown-system"), "driver is not known"),
        "split packages": Situation("leave/driver-unproven", on("split-packages"), "no profile vouches"),
        "places taken": Situation(
            "leave/mount-conflict", on("mounted", TAKEN, volumes=[{"name": "own", "emptyDir": {}}])
        ),
        "baseline": Situation(
            "leave/pod-security", on("mounted", namespace=BASELINE), 'enforces PodSecurity "baseline"'
        ),
        "restricted": Situation(
            "leave/pod-security",
            on("mounted", container(gpus=1, securityContext=HARMLESS), namespace=RESTRICTED),
            "enforces PodSecurity",
        ),
        "class in baseline": Situation(INJECTED, on("proven", namespace=BASELINE)),
    },
    "distribution": {
        "handler proven": Situation(INJECTED, on("proven")),
        "plugin under the class": Situation(INJECTED, on("under-class")),
        "handler not reported": Situation("leave/handler-unknown", on("unreported"), "nodes do not show RuntimeClass"),
        "plugin with a mount": Situation("mount/handler-unknown", on("mounted-unreported")),
    },
    "scheduling": {
        "a node fits": Situation(INJECTED, on("accelerated")),
        "no node is left": Situation("leave/scheduling-conflict", on("proven"), "no GPU node is left"),
        "another value": Situation(
            "leave/scheduling-conflict",
            pod(ENABLED, nodeSelector={ACCELERATOR_LABEL: "amd"}),
            f"both select nodes by {ACCELERATOR_LABEL}",
        ),
        "named node": Situation(
            "leave/scheduling-conflict", pod(ENABLED, nodeName="proven-1"), "node proven-1 lacks its labels"
        ),
    },
    "absent": {
        "handler proven": Situation("leave/runtime-class-missing", on("proven"), NOT_FOUND),
        "platform": Situation("leave/platform-provides", on("platform")),
        "plugin with a mount": Situation("mount/runtime-class-missing", on("mounted")),
        "baseline": Situation("leave/pod-security", on("mounted", namespace=BASELINE), NOT_FOUND),
    },
}
