"""The known objects of one kind, merged from lists, watch events and single reads.

Pure: no clock, no I/O. Revisions are resourceVersions as numbers, which may be compared within one kind:
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.kube_client.resource import Found

# Single reads that are remembered; the oldest is dropped for a new one.
LOOKS_KEPT = 1000


@dataclass(slots=True)
class KindCache:
    """The objects of one kind by name; ``values`` is None until the first list, and never changed in place.

    ``revision`` is the progress of list and watch: all changes up to it are included. Times are in seconds of
    any one monotonic clock. Methods that return a bool say whether ``values`` is another mapping now.
    """

    values: Mapping[str, Any] | None = None
    revision: int = 0
    current_at: float = -math.inf
    _revisions: dict[str, int] = field(default_factory=dict)
    _looked_at: dict[str, float] = field(default_factory=dict)
    _ahead: set[str] = field(default_factory=set)

    def begin_list(self) -> None:
        """Note that a list begins: single reads from now on may be newer."""
        self._ahead.clear()

    def replace(self, listed: Mapping[str, Found], revision: int, *, started_at: float) -> bool:
        """Take a complete list. Only single reads since the list began may be newer."""
        newer = {name: found for name in self._ahead if (found := self._get(name)) and found.revision > revision}
        merged = {**listed, **newer}
        self.revision, self.current_at = revision, started_at
        self._revisions = {name: found.revision for name, found in merged.items()}
        self._looked_at = {name: at for name, at in self._looked_at.items() if at > started_at}
        known = self.values or {}
        # Equal values stay the same object, so that readers can find the differences by identity.
        values = {name: _kept(known.get(name), found.value) for name, found in merged.items()}
        if values == self.values:
            return False
        self.values = values
        return True

    def apply(self, name: str, found: Found, *, deleted: bool, at: float) -> bool:
        """Take a watch event, unless a single read has shown a later state of the object."""
        looked_ahead = self._revisions.get(name, -1) > found.revision
        changed = False if looked_ahead else self._set(name, None if deleted else found)
        self.bookmark(found.revision, at)
        return changed

    def bookmark(self, revision: int, at: float) -> None:
        """Note that the watch is complete up to a revision."""
        self.revision, self.current_at = revision, at
        # The kind is now as fresh as any single read; only later watch events are newer.
        self._looked_at.clear()
        self._ahead = {name for name in self._ahead if self._revisions.get(name, -1) > revision}

    def look(self, name: str, found: Found | None, *, since: int, at: float) -> bool:
        """Take the answer of a single GET (None: absent); ``since`` and ``at`` are revision and time of its start.

        Watch events that arrived during the GET take precedence. An absence has no revision to compare, so any newer
        event on the same object takes precedence over it.
        """
        # The latest stay; all of them are dropped as soon as a watch event arrives.
        self._looked_at.pop(name, None)
        self._looked_at[name] = at
        if len(self._looked_at) > LOOKS_KEPT:
            del self._looked_at[next(iter(self._looked_at))]
        known = self._revisions.get(name, -1)
        if found is None:
            return False if known > since else self._set(name, None)
        if found.revision <= max(self.revision, known):
            return False
        self._ahead.add(name)
        return self._set(name, found)

    def object_current_at(self, name: str) -> float:
        """Return when this one object was last known current."""
        return max(self.current_at, self._looked_at.get(name, -math.inf))

    def _get(self, name: str) -> Found | None:
        return Found(self._revisions[name], (self.values or {})[name]) if name in self._revisions else None

    def _set(self, name: str, found: Found | None) -> bool:
        values = self.values or {}
        if found is None:
            self._revisions.pop(name, None)
            if name not in values:
                return False
            self.values = {other: value for other, value in values.items() if other != name}
            return True
        self._revisions[name] = found.revision
        if name in values and values[name] == found.value:
            return False
        self.values = {**values, name: found.value}
        return True


def _kept(known: object, listed: object) -> object:
    return known if known == listed else listed
