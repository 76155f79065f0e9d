"""Filters of decisions: the same query parameters for the page, ``/decisions`` and the command ``decisions``."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from urllib.parse import urlencode

# The fields that the free text is compared with.
SEARCHED = ("namespace", "name", "owner", "verdict", "reason", "uid", "warnings", "evidence")
EXACT = ("namespace", "verdict", "reason")
ATTENTION = "1"


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty fields match everything; ``q`` is a text to search, ignoring case; ``attention`` is ``1`` or empty.

    ``rows`` does not filter: with ``all`` the page shows more than the first rows.
    """

    namespace: str = ""
    verdict: str = ""
    reason: str = ""
    q: str = ""
    attention: str = ""
    rows: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """Read the parameters of a URL; unknown ones are ignored."""
        found = cls(**{name: query.get(name, "").strip() for name in cls.__slots__})
        return found if found.attention == ATTENTION else replace(found, attention="")

    def __bool__(self) -> bool:
        return any(asdict(replace(self, rows="")).values())

    def url(self, **changes: str) -> str:
        """Return the page's URL with these filters, some of them changed."""
        given = {name: value for name, value in (asdict(self) | changes).items() if value}
        return f"?{urlencode(given)}" if given else "?"

    def select(self, records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return the matching decisions (rows of ``/decisions``) in their order."""
        return [record for record in records if self.matches(record)]

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Return whether a decision matches."""
        if self.attention and not record["needsAttention"]:
            return False
        if any(getattr(self, name) not in ("", record[name]) for name in EXACT):
            return False
        return not self.q or self.q.casefold() in _text(record).casefold()


def _text(record: Mapping[str, Any]) -> str:
    values = (record[name] for name in SEARCHED)
    return "\n".join(value if isinstance(value, str) else "\n".join(value) for value in values)
