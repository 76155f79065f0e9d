"""How often a replica may write: whoever undoes its writes again and again is told about, not raced."""

from datetime import timedelta


class Allowance:
    """So many in a window, on a monotonic clock (seconds)."""

    def __init__(self, limit: int, window: timedelta) -> None:
        self._limit = limit
        self._window = window.total_seconds()
        self._spent: list[float] = []

    def spend(self, at: float) -> bool:
        """Take one; False if none is left."""
        self._spent = [when for when in self._spent if at - when < self._window]
        if len(self._spent) >= self._limit:
            return False
        self._spent.append(at)
        return True
