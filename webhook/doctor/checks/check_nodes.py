"""The nodes: which have GPUs, whether they offer them, and whether their runtime knows NVIDIA's handler."""

from collections import Counter
from collections.abc import Iterator

from webhook.decide.nodes.kind import VERSION_LABEL, profiles
from webhook.decide.workload.patch_libraries import needs_version
from webhook.doctor.check import Category, Check, Result, State, fails_on, passes, warns_on
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import known
from webhook.doctor.node_providers import by_dra
from webhook.doctor.runtime_setup import Runtime, handler_fix, runtime_of
from webhook.kube.metadata import metadata, name_of
from webhook.kube.values import items, mapping, text
from webhook.nvidia.driver_profiles import host_driver
from webhook.view.view import RuntimeClass

# Labels in which the GPU Operator keeps a node's state -> the values that report a failure, and the fix.
# Source: https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-driver-upgrades.html
STATE_LABELS = {
    "nvidia.com/gpu-driver-upgrade-state": (
        ("upgrade-failed", "drain-failed", "pod-deletion-failed"),
        "kubectl -n gpu-operator logs -l app=nvidia-driver-daemonset --all-containers   (on {node})",
    ),
    "nvidia.com/mig.config.state": (
        ("failed",),
        "kubectl -n gpu-operator logs -l app=nvidia-mig-manager   (on {node}; nvidia.com/mig.config names the wish)",
    ),
}


def gpu_nodes(facts: ClusterFacts) -> Result:
    """Something shows that a node has a GPU."""
    found = [node.name for node in facts.gpu_nodes]
    troubles = [] if found else [f"none of {len(facts.node_facts)} nodes offers a GPU, or is labelled to have one"]
    return fails_on(
        troubles,
        "kubectl label node NAME nvidia.com/gpu.present=true",
        otherwise=f"{len(found)} of {len(facts.node_facts)}",
    )


def ready(facts: ClusterFacts) -> Result:
    """The GPU nodes are Ready and accept pods."""
    names = {node.name for node in facts.gpu_nodes}
    return fails_on(
        (f"{name_of(item)}: {why}" for item in known(facts.nodes) if name_of(item) in names for why in _unready(item)),
        "kubectl describe node NAME",
    )


def _unready(node: object) -> Iterator[str]:
    found = mapping(node)
    conditions = items(mapping(found.get("status")).get("conditions"))
    if not any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions):
        yield "not Ready"
    if mapping(found.get("spec")).get("unschedulable"):
        yield "cordoned"


def allocatable(facts: ClusterFacts) -> Result:
    """Each GPU node offers GPUs, unless DRA provides them."""
    counted = [node for node in facts.gpu_nodes if not by_dra(facts.providers.of_node(node))]
    troubles = [
        f"{node.name} offers {', '.join(f'{name}: {amount}' for name, amount in facts.offered(node).items()) or 'none'}"
        for node in counted
        if not facts.offers_gpus(node) and not facts.lacking(node)
    ]
    total = Counter[str]()
    for node in counted:
        total.update({name: int(amount) for name, amount in facts.offered(node).items() if amount.isdecimal()})
    summary = ", ".join(f"{count} {name}" for name, count in total.items())
    by_slices = len(facts.gpu_nodes) - len(counted)
    return fails_on(
        troubles, _look_at_plugins(facts), otherwise=summary or (f"{by_slices} by DRA" if by_slices else "")
    )


def _look_at_plugins(facts: ClusterFacts) -> str:
    """Return why a node offers nothing: the plugin's log, or that the plugin is missing."""
    pods = [item for item, _ in facts.talking]
    if not pods:
        return "no pod of a device plugin runs: kubectl get daemonsets -A | grep -i -e device-plugin -e gpu"
    namespace = text(metadata(pods[0]).get("namespace"))
    return f"kubectl -n {namespace} logs {name_of(pods[0])} --all-containers"


def healthy(facts: ClusterFacts) -> Result:
    """No GPU of a node is unhealthy: the node offers all that it has."""
    lacking = [(node, facts.lacking(node)) for node in facts.gpu_nodes if facts.lacking(node)]
    troubles = [
        f"{node.name} has {has} {name} and offers {offers}: the others are unhealthy, as their device plugin says"
        for node, found in lacking
        for name, (offers, has) in found.items()
    ]
    node = lacking[0][0].name if lacking else ""
    fix = f"on {node}: dmesg | grep -i xid; restart its device plugin pod; where that does not help, reboot the node"
    return fails_on(troubles, fix) if any(not facts.offers_gpus(one) for one, _ in lacking) else warns_on(troubles, fix)


def states(facts: ClusterFacts) -> Result:
    """No label of a GPU node says that a driver upgrade or a MIG configuration failed."""
    found = [
        (node.name, f"{label}={node.labels[label]}", fix)
        for node in facts.gpu_nodes
        for label, (bad, fix) in STATE_LABELS.items()
        if node.labels.get(label) in bad
    ]
    return fails_on(
        (f"{name} has {label}" for name, label, _ in found), *(f"{fix.format(node=name)}" for name, _, fix in found[:1])
    )


def handler(facts: ClusterFacts) -> Result:
    """The runtime of each GPU node knows the handler of the class, where pods need the class."""
    found, nodes = _class(facts), facts.class_nodes
    missing = [node for node in nodes if node.handlers is not None and found.handler not in node.handlers]
    if missing:
        troubles = (
            f'{node.name} ({runtime_of(facts.node(node.name))}) has no runtime "{found.handler}"; it knows '
            f"{', '.join(sorted(name for name in node.handlers or () if name)) or 'none'}"
            for node in missing
        )
        return fails_on(troubles, *handler_fix(facts.node(missing[0].name), found.handler))
    silent = [node for node in nodes if node.handlers is None and node.name not in facts.nodes_under_class]
    troubles = (f"{node.name} ({node.runtime}) does not report its handlers" for node in silent)
    fix = handler_fix(facts.node(silent[0].name), found.handler) if silent else ()
    return warns_on(troubles, *fix, otherwise=f"{found.handler} on {len(nodes)}{no_need(facts)}")


def no_need(facts: ClusterFacts) -> str:
    """Return how many nodes need no class, and why; empty where all of them need it."""
    ways = sorted({way for node in facts.gpu_nodes if (way := facts.providers.of_node(node))})
    count = len(facts.gpu_nodes) - len(facts.class_nodes)
    return f"; {count} need no class: {', '.join(ways)}" if ways else ""


def _class(facts: ClusterFacts) -> RuntimeClass:
    name = facts.policy.runtime_class
    classes = {name_of(item): item for item in known(facts.runtime_classes)}
    # Without the class its name is the best guess at its handler's.
    return RuntimeClass(name, str(mapping(classes.get(name)).get("handler") or name))


def runtime_version(facts: ClusterFacts) -> Result:
    """The GPU nodes' container runtime can run a class, and reports its handlers."""
    kinds = Counter(str(runtime_of(facts.node(node.name))) for node in facts.gpu_nodes)
    silent = [node for node in facts.class_nodes if node.handlers is None and node.name not in facts.nodes_under_class]
    docker = [node.name for node in silent if runtime_of(facts.node(node.name)) is Runtime.DOCKER]
    if docker:
        return fails_on(
            (f"{name} runs Docker and reports no runtime handlers" for name in docker),
            "upgrade cri-dockerd to 0.4, which knows runtime classes, or move the node to containerd",
        )
    old = [
        f"{node.name} runs {node.runtime}, which does not report its handlers"
        for node in silent
        if node.runtime.startswith("containerd://1")
    ]
    summary = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return warns_on(old, "upgrade containerd to 2.x, or run the device plugin under the class", otherwise=summary)


def driver_profile(facts: ClusterFacts) -> Result:
    """It is known where each GPU node keeps its driver's libraries, where the class does not bring them."""
    known_profiles, found = profiles(facts.policy), _class(facts)
    exists = any(name_of(item) == found.name for item in known(facts.runtime_classes))
    troubles = (
        f"{node.name}: no driver profile for {node.os_image or 'its system'} ({node.architecture or 'unknown'})"
        for node in facts.class_nodes
        if host_driver(node, known_profiles) is None
        and not (exists and (found.handler in (node.handlers or ()) or node.name in facts.nodes_under_class))
    )
    return warns_on(troubles, "add one under `drivers` in the policy (docs/policy.md); the runtime class needs none")


def driver_label(facts: ClusterFacts) -> Result:
    """The GPU nodes report their driver's version if the policy needs it."""
    versions = Counter(node.labels.get(VERSION_LABEL, "") for node in facts.gpu_nodes)
    wanted = needs_version(facts.policy) or "{driver_version}" in facts.policy.bootstrap.library
    troubles = [
        f"{node.name} has no label {VERSION_LABEL}, and the policy's file names need it"
        for node in facts.gpu_nodes
        if wanted and not node.labels.get(VERSION_LABEL)
    ]
    summary = ", ".join(f"{count} with {version or 'no label'}" for version, count in versions.items())
    return fails_on(troubles, "run GPU feature discovery, or name the files without a version", otherwise=summary)


def driver_same(facts: ClusterFacts) -> Result:
    """The GPU nodes have one driver version, so that a pod finds the same one everywhere."""
    versions = sorted({node.labels[VERSION_LABEL] for node in facts.gpu_nodes if VERSION_LABEL in node.labels})
    if len(versions) <= 1:
        return passes(*versions)
    return Result(State.WARN, (f"driver versions: {', '.join(versions)}",), ("bring the nodes to one driver",))


CATEGORY = Category(
    "nodes",
    (
        Check("gpu-nodes", "some node has a GPU", gpu_nodes),
        Check("nodes-ready", "the GPU nodes are Ready and take pods", ready),
        Check("gpus-allocatable", "each GPU node offers its GPUs", allocatable),
        Check("gpus-healthy", "no GPU of a node is unhealthy", healthy),
        Check("node-states", "no label reports a failed driver upgrade or MIG configuration", states),
        Check("runtime-handler", "each GPU node's runtime knows the handler", handler),
        Check("runtime-version", "each GPU node's runtime can run the class", runtime_version),
        Check("driver-profile", "it is known where the driver's libraries are", driver_profile),
        Check("driver-label", "the driver's version is known where it is needed", driver_label),
        Check("driver-same", "the GPU nodes have the same driver", driver_same),
    ),
)
