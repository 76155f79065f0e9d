"""How long a failure must last before it counts as a setback, and how long a setback counts. Pure values."""

from dataclasses import dataclass
from datetime import timedelta

PATIENCE = timedelta(minutes=5)
FIRST_DURATION = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Waits:
    """The waits of one installation. Only tests have others than the default ones.

    A pod must be blocked for ``patience``, on a node that has been Ready for as long. Its failure then counts for
    ``first_duration``, which doubles at each repetition.
    """

    patience: timedelta = PATIENCE
    first_duration: timedelta = FIRST_DURATION


DEFAULT_WAITS = Waits()
