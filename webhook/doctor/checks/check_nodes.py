"""The nodes: their GPUs, their container runtime, and their driver."""

from collections import Counter

from webhook.decide.nodes.kind import VERSION_LABEL, driver_version, profiles
from webhook.decide.nodes.known_facts import NO_FACTS
from webhook.decide.workload.patch_libraries import needs_version
from webhook.doctor.check import Category, Check, Result, State, fails_on, passes, warns_on
from webhook.doctor.checks import check_node_gpus as gpus
from webhook.doctor.checks import check_node_reports as reports
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import known
from webhook.doctor.runtime_setup import Runtime, handler_fix, runtime_of
from webhook.kube.metadata import name_of
from webhook.kube.values import mapping
from webhook.nvidia.driver_directory import host_driver
from webhook.view.view import Node, RuntimeClass


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
    versions = Counter(_version(facts, node) for node in facts.gpu_nodes)
    wanted = needs_version(facts.policy) or "{driver_version}" in facts.policy.bootstrap.library
    troubles = [
        f"{node.name} has no label {VERSION_LABEL}, and the policy's file names need it"
        for node in facts.gpu_nodes
        if wanted and not _version(facts, node)
    ]
    summary = ", ".join(f"{count} with {version or 'no label'}" for version, count in versions.items())
    return fails_on(troubles, "run GPU feature discovery, or name the files without a version", otherwise=summary)


def _version(facts: ClusterFacts, node: Node) -> str:
    return driver_version(node, facts.reported.get(node.name, NO_FACTS))


def driver_same(facts: ClusterFacts) -> Result:
    """The GPU nodes have one driver version, so that a pod finds the same one everywhere."""
    versions = sorted({version for node in facts.gpu_nodes if (version := _version(facts, node))})
    if len(versions) <= 1:
        return passes(*versions)
    return Result(State.WARN, (f"driver versions: {', '.join(versions)}",), ("bring the nodes to one driver",))


CATEGORY = Category(
    "nodes",
    (
        Check("gpu-nodes", "some node has a GPU", gpus.gpu_nodes),
        Check("nodes-ready", "the GPU nodes are Ready and take pods", gpus.ready),
        Check("gpus-allocatable", "each GPU node offers its GPUs", gpus.allocatable),
        Check("gpu-resources", "the policy names the resources of all GPUs that need help", gpus.resources),
        Check("gpus-healthy", "no GPU of a node is unhealthy", gpus.healthy),
        Check("node-states", "no label or condition reports a failed GPU, driver or MIG configuration", gpus.states),
        Check("runtime-handler", "each GPU node's runtime knows the handler", handler),
        Check("runtime-version", "each GPU node's runtime can run the class", runtime_version),
        Check("driver-profile", "it is known where the driver's libraries are", driver_profile),
        Check("driver-label", "the driver's version is known where it is needed", driver_label),
        Check("driver-same", "the GPU nodes have the same driver", driver_same),
        Check("node-facts", "each node reports its facts, where node facts are on", reports.reporting),
        Check("node-facts-agree", "labels agree with what the nodes report", reports.agreeing),
        Check("default-runtime", "NVIDIA's runtime works where it is the default", reports.default_runtime),
    ),
)
