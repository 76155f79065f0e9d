"""Times as API objects record them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from webhook.kube.metadata import metadata
from webhook.kube.values import items, mapping, text

# The longest is RFC 3339 with nanoseconds and an offset.
MAX_CHARACTERS = 40
CONDITION_TIMES = ("lastHeartbeatTime", "lastTransitionTime")
EVENT_TIMES = ("lastTimestamp", "firstTimestamp", "eventTime")


def parse_time(value: object) -> datetime | None:
    """Return a time in UTC where the API server's text has none; None where the value is not a time."""
    written = text(value)
    if len(written) > MAX_CHARACTERS:
        return None
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def recorded_times(item: Mapping[str, Any]) -> Iterator[datetime]:
    """Yield when an object was created, its conditions were written, and an Event was seen: it was read after them."""
    conditions = items(mapping(item.get("status")).get("conditions"))
    written = [condition.get(key) for condition in conditions for key in CONDITION_TIMES]
    seen = [item.get(key) for key in EVENT_TIMES] if item.get("kind") == "Event" else []
    for value in (metadata(item).get("creationTimestamp"), *written, *seen):
        found = parse_time(value) if value else None
        if found is not None:
            yield found


def latest(*times: datetime | None) -> datetime | None:
    """Return the latest of some times, None where none is known."""
    return max((time for time in times if time), default=None)
