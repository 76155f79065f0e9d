"""What the Events on a plugin's DaemonSet say of setbacks. Pure."""

from collections.abc import Iterator

from webhook.controllers.event_texts import EventText
from webhook.observations.setback import Setback
from webhook.view.view import ClusterView

REASON = "PatchFailed"
SHOWN_NODES = 5
# An Event's note has at most 1,024 bytes.
LONGEST_TEXT = 600


def texts_of_setbacks(view: ClusterView) -> Iterator[EventText]:
    """Yield one EventText for each DaemonSet and recipe with setbacks."""
    owners = {(item.plugin.namespace, item.plugin.name): item for item in (view.daemon_sets or {}).values()}
    groups: dict[tuple[str, str, str], list[Setback]] = {}
    for found in view.setbacks.current():
        groups.setdefault((found.key.namespace, found.key.daemon_set, found.key.recipe), []).append(found)
    for (namespace, name, recipe), group in groups.items():
        if owner := owners.get((namespace, name)):
            nodes = sorted(found.key.node for found in group)
            more = f" and {len(nodes) - SHOWN_NODES} more" if len(nodes) > SHOWN_NODES else ""
            text = f"the recipe {recipe} failed (nodes: {', '.join(nodes[:SHOWN_NODES])}{more}): {group[0].text}"
            end = " It is not applied there again for now."
            yield EventText(owner, REASON, "Report", text[:LONGEST_TEXT] + end, frozenset(nodes))
