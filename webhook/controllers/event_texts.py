"""What the Events on a plugin's DaemonSet say. Pure.

Controllers show warnings to nobody, so `kubectl describe daemonset` is where an administrator finds them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from webhook.decide.decision import WARNING_PREFIX, Reason
from webhook.decide.plugin.unserved_plugins import UnservedPlugin
from webhook.policy.model import Policy
from webhook.view.view import PluginDaemonSet

# An Event's note has at most 1,024 bytes, and the remedy at its end must not be cut off.
# https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
SHOWN_NODES, SHOWN_LENGTH = 5, 640
BLIND, EVICTED, REFUSED = "BlindPluginPod", "Evicted", "EvictionRefused"


@dataclass(frozen=True, slots=True)
class Note:
    """An Event to be: what it is about, its reason and action (one word each), its text, and the nodes that it names.

    ``is_warning`` says that something is amiss for certain.
    """

    daemon_set: PluginDaemonSet
    reason: str
    action: str
    text: str
    nodes: frozenset[str]
    is_warning: bool = True


def notes_of(blind: Iterable[UnservedPlugin], policy: Policy) -> Iterator[Note]:
    """Yield what is to be told of blind pods: one Note for each DaemonSet and reason.

    Pods that are left alone with no warning are left so on purpose: no news.
    """
    groups: dict[tuple[str, str], list[UnservedPlugin]] = {}
    for found in blind:
        if word := _reason(found):
            groups.setdefault((found.daemon_set.uid, word), []).append(found)
    for (_, word), group in groups.items():
        nodes = sorted({found.pod.node for found in group})
        text = f"{_text(group[0], nodes)} {_remedy(group[0], policy)}"
        yield Note(
            daemon_set=group[0].daemon_set,
            reason=word,
            action="Report" if word == BLIND else "Leave",
            text=text,
            nodes=frozenset(nodes),
            # A static manifest runs on every node: where there is no GPU, nothing is amiss.
            is_warning=group[0].decision.reason is not Reason.NO_GPU_EVIDENCE,
        )


def eviction_note(found: UnservedPlugin) -> Note:
    """Return the Note of an eviction."""
    text = f"evicted the plugin pod of node {found.pod.node}: it found no GPU. The next one gets {found.decision.word}."
    return Note(found.daemon_set, EVICTED, "Evict", text, frozenset({found.pod.node}), is_warning=False)


def refusal_note(found: UnservedPlugin) -> Note:
    """Return the Note of an eviction that a PodDisruptionBudget did not allow."""
    text = f"a PodDisruptionBudget keeps the blind plugin pod of node {found.pod.node} from being evicted."
    return Note(found.daemon_set, REFUSED, "Evict", text, frozenset({found.pod.node}))


def _reason(found: UnservedPlugin) -> str:
    if found.is_repairable:
        return BLIND
    # Nothing of the pod's: a view that is stale now will be current again.
    passing = found.decision.dry_run or found.decision.reason is Reason.VIEW_STALE
    if passing or not found.decision.warnings:
        return ""
    return "".join(part.capitalize() for part in found.decision.reason.split("-"))


def _text(found: UnservedPlugin, nodes: Sequence[str]) -> str:
    if found.is_repairable:
        return f"plugin pods that were made without gpu-injector find no GPU (nodes: {_some(nodes, ', ')})."
    if found.decision.reason is Reason.NO_GPU_EVIDENCE:
        # Labels of a node without a GPU would make its plugin pod wait for a file that never comes: a line for each.
        lines = [f"kubectl label node {node} nvidia.com/gpu.present=true" for node in nodes]
        return f"nothing shows a GPU on {len(nodes)} of its nodes. Where there is one: {_some(lines, '; ')}."
    return f"{found.decision.warnings[0].removeprefix(WARNING_PREFIX)} (nodes: {_some(nodes, ', ')})."


def _remedy(found: UnservedPlugin, policy: Policy) -> str:
    if policy.bootstrap.repair == "evict":
        return f"The pods are {'' if found.is_repairable else 'then '}evicted one at a time."
    plugin = found.daemon_set.plugin
    restart = f"kubectl -n {plugin.namespace} rollout restart daemonset/{plugin.name}"
    return f"{'To make them anew' if found.is_repairable else 'Then'}: {restart}"


def _some(words: Sequence[str], separator: str) -> str:
    shown = words[:SHOWN_NODES]
    while sum(map(len, shown)) > SHOWN_LENGTH:
        shown = shown[:-1]
    more = len(words) - len(shown)
    return separator.join(shown) + (f"{separator}and {more} more" if more else "")
