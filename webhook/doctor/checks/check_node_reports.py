"""What the nodes report by themselves: whether they do, what differs from it, and a default runtime that fails."""

from collections.abc import Iterator

from webhook.decide.nodes.fact_differences import differences, missing_reports
from webhook.decide.nodes.known_facts import NO_FACTS
from webhook.doctor.check import Result, fails_on, passes, warns_on
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, known
from webhook.kube.metadata import namespace_of
from webhook.kube.node_affinity import selects, tolerates_all
from webhook.kube.values import items, mapping
from webhook.view.node_facts_pods import NAME
from webhook.view.view import Node

OFF = "node facts are off (nodeFacts.enabled)"
OS_LABEL = "kubernetes.io/os"


def reporting(facts: ClusterFacts) -> Result:
    """Each node for which the DaemonSet of node facts is has a report that counts."""
    owner = daemon_set(facts)
    if owner is None:
        return passes(OFF)
    spec = mapping(mapping(mapping(owner.get("spec")).get("template")).get("spec"))
    placed = (node for node in facts.node_facts.values() if selects(_any_os(spec, node), node))
    nodes = [node for node in placed if node.ready is not False]
    silent = list(missing_reports(facts.view, nodes))
    tolerations = tuple(items(spec.get("tolerations")))
    tainted = [node.name for node, _ in silent if not tolerates_all(tolerations, node.taints)]
    where = f"-n {namespace_of(owner) or facts.home}"
    fix = f"kubectl {where} describe pods -l app.kubernetes.io/name={NAME}"
    if tainted:
        fix = f"add a toleration of the taints of {tainted[0]} to nodeFacts.tolerations, or leave it to labels"
    troubles = sorted(f"{node.name}: {why}; only labels count there" for node, why in silent)
    return warns_on(troubles, fix, otherwise=f"{len(nodes) - len(silent)} of {len(nodes)} nodes report")


def daemon_set(facts: ClusterFacts) -> ApiObject | None:
    """Return the DaemonSet of node facts, None where they are off. Raises CannotTellError."""
    return known(facts.node_reports).daemon_set


def _any_os(spec: ApiObject, node: Node) -> ApiObject:
    """Return the placement for a node; the label of the system, which each kubelet sets, may be missing in a file."""
    wanted = dict(mapping(spec.get("nodeSelector")))
    if OS_LABEL not in node.labels:
        wanted.pop(OS_LABEL, None)
    return {**spec, "nodeSelector": wanted}


def agreeing(facts: ClusterFacts) -> Result:
    """Labels and quantities of the nodes agree with what they report."""
    found = dict(_differing(facts))
    troubles = (f"{name}: {difference}" for name, some in found.items() for difference in some)
    first = next(iter(found), "")
    fix = (
        "the report decides, except against a label that says that there is no GPU, against bootstrap.gpuNodes (for "
        "plugin pods), and against GPUs that the node offers (for GPU pods). Correct what is wrong, such as a label: "
        f"kubectl label node {first} LABEL-   (a label of feature discovery is old: restart its pod on the node)"
    )
    return warns_on(troubles, fix, otherwise=f"{len(facts.reported)} reports agree" if facts.reported else OFF)


def _differing(facts: ClusterFacts) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, node in sorted(facts.node_facts.items()):
        if found := tuple(differences(node, facts.reported.get(name, NO_FACTS), facts.policy)):
            yield name, found


def default_runtime(facts: ClusterFacts) -> Result:
    """Where NVIDIA's runtime is the default, it can create containers."""
    failed = {name: found.failure for name, found in sorted(facts.reported.items()) if found.failure}
    troubles = (
        f"{name}: NVIDIA's runtime is the default and fails: {why}. No container can start there; this is a problem of "
        "the node, not of gpu-injector"
        for name, why in failed.items()
    )
    first = next(iter(failed), "")
    fix = f"on {first}: nvidia-smi; repair or reload the driver, or make runc the default runtime until then"
    return fails_on(troubles, fix, otherwise="" if daemon_set(facts) else OFF)
