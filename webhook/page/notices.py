"""Problems of a replica, shown above all decisions: one line for each."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# From this age on a view is no evidence for a RuntimeClass (docs/reasons.md: view-stale).
STALE_SECONDS = 90
EXPIRES_SOON_SECONDS = 7 * 86400

REGISTRATIONS = {
    "absent": "No registration: the API server does not call this webhook. Apply the installation again.",
    "foreign": "The registration points to another webhook: its entries do not name our Service.",
    "unreadable": "The registration cannot be read: check the ClusterRole gpu-injector.",
}


def notices(state: Mapping[str, Any], now: float) -> Iterator[str]:
    """Yield the problems of a replica (``/state``), or why it did not answer; ``now`` in seconds."""
    if why := state.get("unreachable"):
        yield f"Its decisions are missing here: {why}"
        return
    if state["notReady"]:
        yield f"Not ready: {state['notReady']}."
    if state["registration"] in REGISTRATIONS:
        yield REGISTRATIONS[state["registration"]]
    yield from _of_view(state["viewAgeSeconds"])
    yield from _of_certificate(state["certificate"]["leafExpires"], now)
    for event in state["problems"]:
        facts = ", ".join(f"{name}: {fact}" for name, fact in event["facts"].items())
        yield f"{event['event']} since {_moment(event['since'])} ({facts})"
    yield from _of_setbacks(state.get("setbacks", ()))
    blind = [name for row in state["nodes"] if row["needsAttention"] for name in row["nodes"]]
    if blind:
        more = f" and {len(blind) - 3} more" if len(blind) > 3 else ""  # noqa: PLR2004 - as many as fit in a line
        yield f"No GPU is offered by {', '.join(blind[:3])}{more}: see the nodes below, and gpu-injector doctor."


def _of_setbacks(setbacks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each DaemonSet and recipe. A replica of an older version tells of none."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for found in setbacks:
        groups.setdefault((found["namespace"], found["daemon_set"], found["recipe"]), []).append(found)
    for (namespace, name, recipe), group in groups.items():
        nodes = [found["node"] for found in group]
        others = f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""  # noqa: PLR2004 - as many as a line holds
        failed = f"The recipe {recipe} of {namespace}/{name} failed on {', '.join(nodes[:3])}{others}"
        until = _moment(min(found["until"] for found in group))
        yield f"{failed}: {group[0]['text']}. It is not applied there again before {until}."


def _of_view(age_seconds: float | None) -> Iterator[str]:
    if age_seconds is None:
        yield "The view of the cluster was never listed."
    elif age_seconds > STALE_SECONDS:
        yield f"The view of the cluster is {age_seconds:.0f} s old: pods that depend on it are left unchanged."


def _of_certificate(expires: float | None, now: float) -> Iterator[str]:
    if expires is not None and expires - now < EXPIRES_SOON_SECONDS:
        word = "expired" if expires < now else "expires"
        yield f"The certificate {word} {_moment(expires)}: its renewal is overdue."


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
