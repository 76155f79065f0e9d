"""Log the reports of node facts that do not count: each once, while its reason stays the same."""

from collections.abc import Callable, Iterator

from webhook.decide.nodes.known_facts import is_current
from webhook.view.node_facts_pods import NAME, NodeFactsPod
from webhook.view.view import ClusterView

EVENT = "report-ignored"
# Of thousands of pods a line names some.
NAMED = 5
FOREIGN = f"its pod does not belong to the DaemonSet {NAME}"
NO_DAEMON_SET = f"the DaemonSet {NAME} does not exist, or may not be read"
NO_BOOT_ID = "the node shows no boot ID, so the report cannot be proven"
NOT_CURRENT = "the boot ID is not the node's: of an earlier boot, or of the kernel of a sandbox"


class IgnoredReports:
    """Compares a view with the one before; ``tell`` is called once for each reason, with the pods that are new."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell
        self._known: frozenset[tuple[str, str]] = frozenset()

    def look(self, view: ClusterView) -> None:
        """Tell of the reports that are ignored since the view before."""
        found = frozenset(ignored_reports(view))
        by_reason: dict[str, list[str]] = {}
        for pod, why in sorted(found - self._known):
            by_reason.setdefault(why, []).append(pod)
        self._known = found
        for why, pods in by_reason.items():
            self._tell(EVENT, reason=why, pods=", ".join(pods[:NAMED]), count=len(pods))


def ignored_reports(view: ClusterView) -> Iterator[tuple[str, str]]:
    """Yield the pods with a report that does not count, as ``namespace/name``, each with the reason."""
    owners = frozenset(view.facts_daemon_sets.values())
    for key, pod in view.facts_pods.items():
        if why := _why(pod, owners, view):
            yield key, why


def _why(pod: NodeFactsPod, owners: frozenset[str], view: ClusterView) -> str:
    if pod.unreadable:
        return pod.unreadable
    if pod.facts is None and not pod.failure:
        return ""
    if not pod.owner or pod.owner not in owners:
        return FOREIGN if owners else NO_DAEMON_SET
    node = (view.nodes or {}).get(pod.node)
    if node is None or pod.facts is None or is_current(pod.facts, node):
        return ""
    return NOT_CURRENT if node.boot_id else NO_BOOT_ID
