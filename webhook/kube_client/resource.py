"""What a reflector watches, and where it stores the results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Found:
    """One object of an answer: its revision, and the projection that the view keeps."""

    revision: int
    value: Any


class WatchedKind(Protocol):
    """One kind of object: the name of its field in the view, the path of its list, and how an object is projected."""

    @property
    def field(self) -> str:
        """The name of the view's field."""
        ...

    @property
    def path(self) -> str:
        """The path of the list in all namespaces."""
        ...

    @property
    def older_versions(self) -> tuple[str, ...]:
        """Versions of the API that older servers serve instead of the one in the path, newest first."""
        ...

    @property
    def project(self) -> Callable[[Mapping[str, Any]], Any]:
        """Returns what the view keeps of an object."""
        ...

    @property
    def key(self) -> Callable[[Mapping[str, Any]], str]:
        """Returns the name of an object in the view."""
        ...

    @property
    def keeps(self) -> Callable[[Mapping[str, Any]], bool]:
        """Returns whether an object is of interest."""
        ...


class Store(Protocol):
    """Where a reflector stores the objects; methods that return a bool say whether the values changed."""

    @property
    def values(self) -> Mapping[str, Any] | None:
        """The projections by name, None before the first list."""
        ...

    @property
    def revision(self) -> int:
        """The revision up to which list and watch are complete."""
        ...

    def begin_list(self) -> None:
        """Note that a list begins."""
        ...

    def replace(self, listed: Mapping[str, Found], revision: int, *, started_at: float) -> bool:
        """Take a complete list."""
        ...

    def apply(self, name: str, found: Found, *, deleted: bool, at: float) -> bool:
        """Take a watch event."""
        ...

    def bookmark(self, revision: int, at: float) -> None:
        """Note that the watch is complete up to a revision."""
        ...


@dataclass(frozen=True, slots=True)
class Resource:
    """One list that is watched. An optional kind may have no API in this cluster: then it has no objects.

    One that ``may_be_refused`` is not waited for where the right to list it is missing. ``page_size`` bounds how long
    one page keeps the event loop busy. ``namespace`` is empty for all of them. Several
    resources of one kind, with other namespaces or selectors, are shown together.
    """

    kind: WatchedKind
    optional: bool = False
    may_be_refused: bool = False
    page_size: int = 100
    selectors: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""

    @property
    def path(self) -> str:
        """The path of the list."""
        if not self.namespace:
            return self.kind.path
        group, _, plural = self.kind.path.rpartition("/")
        return f"{group}/namespaces/{self.namespace}/{plural}"

    @property
    def part(self) -> Mapping[str, str]:
        """Which part of the kind it is, for users; empty for all of it."""
        return {"namespace": self.namespace, **self.selectors} if self.namespace else self.selectors
