"""How long a setback counts: the first time an hour, doubled at each repetition, a day at most.

Other ends of a setback are in ``setback`` (another boot, another kind of node, another policy) and in
``setback_tracking`` (a later pod runs with the recipe).
"""

from datetime import datetime, timedelta

from webhook.observations.waits import FIRST_DURATION

LONGEST_DURATION = timedelta(days=1)
# So long the repetitions of a failure are remembered after its time is over.
MEMORY = timedelta(days=1)


def duration(repetitions: int, first: timedelta = FIRST_DURATION) -> timedelta:
    """Return how long a failure counts that has occurred so many times in a row."""
    # The exponent is bounded: a stored number may be anything.
    doubled: int = 2 ** min(max(repetitions - 1, 0), 10)
    return min(first * doubled, LONGEST_DURATION)


def has_expired(until: datetime, now: datetime) -> bool:
    """Say whether the time of a setback is over: the recipe may be tried again."""
    return until <= now


def is_forgotten(until: datetime, now: datetime) -> bool:
    """Say whether not even the repetitions of an expired setback count any more."""
    return has_expired(until + MEMORY, now)
