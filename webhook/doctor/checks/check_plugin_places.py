"""Where the device plugin's DaemonSets put their pods, and why a GPU node has none."""

from collections.abc import Iterator
from shlex import quote

from webhook.doctor.check import Result, fails_on, warns_on
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import known
from webhook.doctor.last_events import last_event
from webhook.doctor.maintenance import is_in_maintenance
from webhook.doctor.node_providers import by_dra
from webhook.doctor.plugin_pods import wanted_node
from webhook.kube.node_affinity import required_terms, selects, tolerates_all
from webhook.kube.values import elements, items, mapping, text
from webhook.view.plugin_projections import known_plugins
from webhook.view.projections import kinds
from webhook.view.view import Node, PluginDaemonSet, Taint

MISSING = "DaemonSet {} wants to run there; its pod is missing"
# The DaemonSet controller adds tolerations for these.
TOLERATED_BY_ALL = "node.kubernetes.io/"
# The GPU Operator's label for its device plugin, and how its values begin while MIG or the driver is changed.
DEPLOY_LABEL, PAUSED = "nvidia.com/gpu.deploy.device-plugin", "paused-for-"
LONGEST = 400
NVIDIA_LABELS, OPERATOR_LABELS = "nvidia.com/", "nvidia.com/gpu.deploy."
WAIT = (
    "nothing yet: the GPU Operator changes the MIG configuration or the driver of {node}. If it stays so: kubectl logs "
    "-A -l app=nvidia-mig-manager --prefix, and give the label nvidia.com/mig.config of {node} another value and the "
    "wanted one again"
)


def everywhere(facts: ClusterFacts) -> Result:
    """Each GPU node has a plugin pod: the DaemonSet's selectors let it in, and its taints are tolerated."""
    sets = list(daemon_sets(facts))
    served = {wanted_node(item) for item, _ in facts.talking}
    nodes = (node for node in facts.gpu_nodes if node.ready is not False)
    lacking = [node for node in nodes if node.name not in served and not _needs_no_plugin(facts, node)]
    if not sets or not lacking:
        return fails_on((), otherwise=f"{len(served)} nodes")
    troubles = (
        f"{node.name} has no device plugin: {'; '.join(_why_not(item, node) for item in sets)}" for node in lacking
    )
    spared = is_in_maintenance(facts, [node.name for node in lacking])
    return (warns_on if spared else fails_on)(troubles, _fix(facts, sets, lacking[0]))


def daemon_sets(facts: ClusterFacts) -> Iterator[PluginDaemonSet]:
    """Yield the DaemonSets of known device plugins, without feature discovery and exporters."""
    project = kinds(known_plugins(facts.policy))["apps", "DaemonSet"].project
    found = map(project, known(facts.daemon_sets))
    return (item for item in found if item.plugin.hands_out_gpus)


def _fix(facts: ClusterFacts, sets: list[PluginDaemonSet], node: Node) -> str:
    if node.labels.get(DEPLOY_LABEL, "").startswith(PAUSED):
        return WAIT.format(node=node.name)
    wanting = next((one for one in sets if _why_not(one, node) == MISSING.format(one.plugin.name)), None)
    if wanting is not None:
        namespace, name = wanting.plugin.namespace, wanting.plugin.name
        said, _ = last_event(facts, "DaemonSet", namespace, name)
        if said:
            return f"its last event says why: {said[:LONGEST]}   (see event-refused)"
        name = f"kubectl -n {namespace} describe daemonset {name}"
        return f"{name}   (its events say what refuses the pod, or whether the controller has just not created it yet)"
    labels = next((labels for one in sets if not _shutting(one, node) and (labels := _wanted_labels(one))), {})
    if labels and all(map(_is_for_people, labels)):
        pairs = " ".join(quote(f"{key}={value}") for key, value in labels.items())
        return f"kubectl label node {node.name} {pairs}   (or change the selectors of the DaemonSet's template)"
    return "change tolerations or selectors of the DaemonSet's template: a webhook is asked too late for that"


def _is_for_people(key: str) -> bool:
    """Say whether a person may set a label: not those of Kubernetes, of a cloud, or of the GPU Operator."""
    return "/" not in key or (key.startswith(NVIDIA_LABELS) and not key.startswith(OPERATOR_LABELS))


def _wanted_labels(item: PluginDaemonSet) -> dict[str, str]:
    """Return labels that a node needs for a DaemonSet: those of its selector, and of the last term of its affinity."""
    labels = {key: text(value) for key, value in mapping(item.placement.get("nodeSelector")).items()}
    terms = required_terms(item.placement)
    expressions = list(items(terms[-1].get("matchExpressions"))) if terms else []
    if any(one.get("operator") not in ("In", "Exists") for one in expressions):
        return {}
    for one in expressions:
        values = elements(one.get("values"))
        labels[text(one.get("key"))] = text(values[0]) if values else "true"
    return labels


def _needs_no_plugin(facts: ClusterFacts, node: Node) -> bool:
    """Say whether DRA or a service of the host offers a node's GPUs: then a missing pod is no error."""
    wanted = any(_why_not(item, node) == MISSING.format(item.plugin.name) for item in daemon_sets(facts))
    return by_dra(facts.providers.of_node(node)) or (facts.offers_gpus(node) and not wanted)


def _why_not(item: PluginDaemonSet, node: Node) -> str:
    if not selects(item.placement, node):
        paused = node.labels.get(DEPLOY_LABEL, "")
        by_operator = f" ({DEPLOY_LABEL}={paused})" if paused.startswith(PAUSED) else ""
        return f"DaemonSet {item.plugin.name} does not select it{by_operator}"
    if missing := _shutting(item, node):
        taints = ", ".join(f"{taint.key}={taint.value}:{taint.effect}".replace("=:", ":") for taint in missing)
        return f"DaemonSet {item.plugin.name} does not tolerate {taints}"
    return MISSING.format(item.plugin.name)


def _shutting(item: PluginDaemonSet, node: Node) -> list[Taint]:
    """Return the taints of a node that a DaemonSet's pods do not tolerate."""
    tolerations = list(items(item.placement.get("tolerations")))
    lasting = (taint for taint in node.taints if not taint.key.startswith(TOLERATED_BY_ALL))
    return [taint for taint in lasting if not tolerates_all(tolerations, (taint,))]
