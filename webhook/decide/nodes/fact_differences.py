"""Where a node's own report differs from what its labels, its capacity and its arguments say. For people alone.

A difference shows that something about the node is old or wrong. The report decides, except against a label that says
that there is no GPU, against the policy's gpuNodes (for plugin pods), and against GPUs that the node offers (for GPU
pods).
"""

from collections.abc import Iterable, Iterator, Sequence

from webhook.decide.nodes.kind import VERSION_LABEL
from webhook.decide.nodes.known_facts import NO_FACTS, KnownFacts, describe, describe_gpus, facts_by_node, reports_of
from webhook.kube.label_selector import has_labels
from webhook.kube.quantity import is_positive
from webhook.node_facts.facts_report import NVIDIA_DRIVER, NodeFacts
from webhook.nvidia.gpu_labels import gpu_labels
from webhook.policy.model import Policy
from webhook.view.node_facts_pods import NodeFactsPod
from webhook.view.view import ClusterView, Node

# Older versions of GPU feature discovery write a label for each part of the version.
# https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery#generated-labels
VERSION_PARTS = ("nvidia.com/cuda.driver.major", "nvidia.com/cuda.driver.minor", "nvidia.com/cuda.driver.rev")


def differences(node: Node, known: KnownFacts, policy: Policy) -> Iterator[str]:
    """Yield what differs, without the name of the node."""
    if known.facts is not None:
        yield from _about_gpus(node, known.facts, policy)
        yield from _about_version(node, known.facts)
    if known.has_nvidia_default and node.default_runtime and not node.default_runtime.startswith(NVIDIA_DRIVER):
        yield f"it was started with the default runtime {node.default_runtime}, but NVIDIA's runtime is the default"


def missing_reports(view: ClusterView, nodes: Iterable[Node]) -> Iterator[tuple[Node, str]]:
    """Yield the nodes without a report that counts, each with the reason; none where node facts are off."""
    owners = frozenset(view.facts_daemon_sets.values())
    pods: dict[str, list[NodeFactsPod]] = {}
    for pod in view.facts_pods.values():
        if pod.owner in owners:
            pods.setdefault(pod.node, []).append(pod)
    for node in nodes if owners else ():
        if why := _why_missing(node, pods.get(node.name, [])):
            yield node, why


def _why_missing(node: Node, pods: Sequence[NodeFactsPod]) -> str:
    if not pods:
        return "no pod of node facts runs there"
    if any(pod.failure for pod in pods):
        return ""
    boots = {pod.facts.boot_id for pod in pods if pod.facts}
    if not boots:
        unreadable = next((pod.unreadable for pod in pods if pod.unreadable), "")
        return unreadable or "its pod of node facts has not reported yet"
    if not node.boot_id:
        return "the node shows no boot ID, so its report cannot be proven"
    return "" if node.boot_id in boots else "its report is of an earlier boot, or of the kernel of a sandbox"


def report_lines(view: ClusterView, nodes: Sequence[Node], policy: Policy) -> Iterator[str]:
    """Yield what nodes report by themselves, what differs from that, or why nothing is reported; in sentences."""
    part = reports_of(view, nodes)
    known, missing = facts_by_node(part), {node.name: why for node, why in missing_reports(part, nodes)}
    for node in nodes:
        yield from describe(node.name, known.get(node.name, NO_FACTS))
        for difference in differences(node, known.get(node.name, NO_FACTS), policy):
            yield f"{node.name}: {difference}"
        if why := missing.get(node.name):
            yield f"{node.name} reports nothing by itself: {why}"


def _about_gpus(node: Node, facts: NodeFacts, policy: Policy) -> Iterator[str]:
    labels, reported = gpu_labels(node.labels), describe_gpus(facts)
    if facts.shows_gpu is False and not labels.against:
        # A PCI device is there whatever driver it has.
        shown = (*labels.gpu, *labels.tegra, *(labels.pci if not facts.gpus else ()))
        if shown:
            yield f"it has the label {shown[0]}, but reports {reported}"
        own = policy.bootstrap.gpu_nodes
        if own and has_labels(node.labels, own):
            yield f"it has the labels of the policy's bootstrap.gpuNodes, but reports {reported}"
    if facts.shows_gpu is False:
        for name, amount in node.allocatable.items():
            if policy.is_gpu_resource(name) and is_positive(amount):
                yield f"it offers {name}: {amount}, but reports {reported}"
    if facts.gpus.get(NVIDIA_DRIVER) and labels.against:
        yield f"it has the label {labels.against[0]}, but reports {reported}"


def _about_version(node: Node, facts: NodeFacts) -> Iterator[str]:
    labelled = labelled_version(node)
    if not labelled:
        return
    if facts.driver_version:
        # A label may have a part of the version alone.
        if not f"{facts.driver_version}.".startswith(f"{labelled}."):
            yield f"its label says driver {labelled}, but it reports driver {facts.driver_version}"
    elif facts.gpus and not facts.gpus.get(NVIDIA_DRIVER):
        yield f"its label says driver {labelled}, but it reports {describe_gpus(facts)}"


def labelled_version(node: Node) -> str:
    """Return the version of the driver that a node's labels show, or a part of it; empty for none."""
    if version := node.labels.get(VERSION_LABEL):
        return version
    parts = [node.labels.get(label, "") for label in VERSION_PARTS]
    known = parts[: parts.index("")] if "" in parts else parts
    return ".".join(known)
