"""The texts of Events on a plugin's DaemonSet. Pure.

Controllers do not show admission warnings; an administrator finds these Events with `kubectl describe daemonset`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from webhook.decide.decision import Reason
from webhook.decide.plugin.unserved_plugins import UnservedPlugin
from webhook.decide.warning_text import WARNING_PREFIX
from webhook.policy.model import Policy
from webhook.view.view import PluginDaemonSet

# An Event's note has at most 1,024 bytes; the remedy at its end must not be cut off.
# https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
SHOWN_NODES, SHOWN_LENGTH = 5, 640
BLIND, NO_EFFECT, HELD = "BlindPluginPod", "PatchWithoutEffect", "SetbackOver"
EVICTED, REFUSED = "Evicted", "EvictionRefused"


@dataclass(frozen=True, slots=True)
class EventText:
    """An Event to create: its DaemonSet, its reason and action (one word each), its text, and the nodes in the text.

    ``is_warning`` is set if there is certainly a problem.
    """

    daemon_set: PluginDaemonSet
    reason: str
    action: str
    text: str
    nodes: frozenset[str]
    is_warning: bool = True


def texts_of(blind: Iterable[UnservedPlugin], policy: Policy) -> Iterator[EventText]:
    """Yield one EventText for each DaemonSet and reason.

    A pod that we left unchanged without a warning is intended to be so: no Event.
    """
    groups: dict[tuple[str, str], list[UnservedPlugin]] = {}
    for found in blind:
        if word := _reason(found):
            groups.setdefault((found.daemon_set.uid, word), []).append(found)
    for (_, word), group in groups.items():
        nodes = sorted({found.pod.node for found in group})
        text = f"{_text(group[0], nodes)} {_remedy(group[0], policy)}"
        yield EventText(
            daemon_set=group[0].daemon_set,
            reason=word,
            action="Report" if word in (BLIND, NO_EFFECT, HELD) else "Leave",
            text=text,
            nodes=frozenset(nodes),
            # A static manifest runs on every node: on a node without a GPU this is no problem.
            is_warning=group[0].decision.reason is not Reason.NO_GPU_EVIDENCE,
        )


def eviction_text(found: UnservedPlugin) -> EventText:
    """Return the EventText of an eviction."""
    text = f"evicted the plugin pod of node {found.pod.node}: it found no GPU. The next one gets {found.decision.word}."
    return EventText(found.daemon_set, EVICTED, "Evict", text, frozenset({found.pod.node}), is_warning=False)


def refusal_text(found: UnservedPlugin) -> EventText:
    """Return the EventText of an eviction that a PodDisruptionBudget did not allow."""
    text = f"a PodDisruptionBudget prevents the eviction of the plugin pod without GPU on node {found.pod.node}."
    return EventText(found.daemon_set, REFUSED, "Evict", text, frozenset({found.pod.node}))


def _reason(found: UnservedPlugin) -> str:
    if found.is_repairable:
        return NO_EFFECT if found.pod.patched else BLIND
    if found.may_be_tried_again:
        return HELD
    # Not caused by the pod: a stale view will be current again.
    passing = found.decision.dry_run or found.decision.reason is Reason.VIEW_STALE
    if passing or not found.decision.warnings:
        return ""
    return "".join(part.capitalize() for part in found.decision.reason.split("-"))


def _text(found: UnservedPlugin, nodes: Sequence[str]) -> str:
    if found.is_repairable:
        why = "whose patch has no effect" if found.pod.patched else "that were created without gpu-injector"
        return f"plugin pods {why} find no GPU (nodes: {_some(nodes, ', ')})."
    if found.may_be_tried_again:
        return f"plugin pods without our patch, because it had failed, find no GPU (nodes: {_some(nodes, ', ')})."
    if found.decision.reason is Reason.NO_GPU_EVIDENCE:
        # One command for each node: if a node without a GPU gets the label, its plugin pod waits for a missing file.
        lines = [f"kubectl label node {node} nvidia.com/gpu.present=true" for node in nodes]
        return f"nothing shows a GPU on {len(nodes)} of its nodes. Where there is one: {_some(lines, '; ')}."
    return f"{found.decision.warnings[0].removeprefix(WARNING_PREFIX)} (nodes: {_some(nodes, ', ')})."


def _remedy(found: UnservedPlugin, policy: Policy) -> str:
    if policy.bootstrap.repair == "evict" and not found.may_be_tried_again:
        return f"The pods are {'' if found.is_repairable else 'then '}evicted one at a time."
    plugin = found.daemon_set.plugin
    restart = f"kubectl -n {plugin.namespace} rollout restart daemonset/{plugin.name}"
    if found.may_be_tried_again:
        return f"To try the patch again: {restart}"
    return f"{'To re-create them' if found.is_repairable else 'Then'}: {restart}"


def _some(words: Sequence[str], separator: str) -> str:
    shown = words[:SHOWN_NODES]
    while sum(map(len, shown)) > SHOWN_LENGTH:
        shown = shown[:-1]
    more = len(words) - len(shown)
    return separator.join(shown) + (f"{separator}and {more} more" if more else "")
