"""The cache of one kind: lists, watch events and looks merge by revision, in whatever order they come."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.kube_client.resource import Found
from webhook.view.store import KindCache

NAMES = ("a", "b")


def listed(cache: KindCache, revision: int, **values: int) -> bool:
    """Take a list over whose objects have their value as revision."""
    cache.begin_list()
    found = {name: Found(value, value) for name, value in values.items()}
    return cache.replace(found, revision, started_at=0)


def test_nothing_is_known_before_the_first_list() -> None:
    """None says unknown, which is not empty."""
    assert KindCache().values is None


def test_an_empty_first_list_is_news() -> None:
    """Unknown becomes known to be empty."""
    assert (listed(cache := KindCache(), 1), cache.values) == (True, {})


def test_a_list_forgets_what_it_does_not_hold() -> None:
    """Objects deleted between two watches are gone after the list."""
    cache = KindCache()
    listed(cache, 5, a=3, b=4)
    assert (listed(cache, 9, b=4), cache.values) == (True, {"b": 4})


def test_an_event_that_changes_no_value_publishes_nothing() -> None:
    """A heartbeat moves the revision but not what the view keeps."""
    cache = KindCache()
    listed(cache, 5, a=3)
    before = cache.values
    assert not cache.apply("a", Found(6, 3), deleted=False, at=1)
    assert cache.values is before
    assert cache.revision == 6


def test_what_a_new_list_shows_unchanged_stays_the_same_object() -> None:
    """Readers look only at values that differ."""
    cache = KindCache()
    cache.replace({"a": Found(1, ["one"]), "b": Found(1, ["two"])}, 1, started_at=0)
    before = dict(cache.values or {})
    assert cache.replace({"a": Found(2, ["one"]), "b": Found(2, ["new"])}, 2, started_at=1)
    assert cache.values == {"a": ["one"], "b": ["new"]}
    assert cache.values["a"] is before["a"]


def test_published_values_never_change_in_place() -> None:
    """A reader of a view goes on seeing one state."""
    cache = KindCache()
    listed(cache, 5, a=3)
    held = cache.values
    cache.apply("a", Found(6, 6), deleted=False, at=1)
    cache.apply("b", Found(7, 7), deleted=False, at=1)
    cache.look("a", None, since=7, at=1)
    assert held == {"a": 3}


@pytest.mark.parametrize(
    ("revision", "seen"),
    [(4, 5), (5, 5), (6, 6)],
    ids=["older than the watch", "what the watch has told", "newer"],
)
def test_a_look_wins_only_with_a_newer_revision(revision: int, seen: int) -> None:
    """The watch has told everything up to its revision; an answer from before that is stale."""
    cache = KindCache()
    listed(cache, 5, a=5)
    cache.look("a", Found(revision, revision), since=5, at=1)
    assert cache.values == {"a": seen}


def test_a_look_does_not_bring_back_what_the_watch_has_deleted() -> None:
    """The GET was answered before the deletion, and arrives after it."""
    cache = KindCache()
    listed(cache, 5, a=5)
    cache.apply("a", Found(8, 5), deleted=True, at=1)
    cache.look("a", Found(7, 7), since=5, at=0)
    assert cache.values == {}


def test_an_absence_yields_to_an_event_that_came_meanwhile() -> None:
    """A 404 has no revision; the object may have been created after it."""
    cache = KindCache()
    listed(cache, 5)
    cache.apply("a", Found(6, 6), deleted=False, at=1)
    cache.look("a", None, since=5, at=0)
    assert cache.values == {"a": 6}


def test_a_late_event_does_not_undo_a_look() -> None:
    """A watch that lags behind a look catches up without stepping back."""
    cache = KindCache()
    listed(cache, 5, a=5)
    cache.look("a", Found(9, 9), since=5, at=1)
    assert not cache.apply("a", Found(7, 7), deleted=False, at=2)
    assert cache.values == {"a": 9}


def test_a_list_that_began_before_a_look_does_not_undo_it() -> None:
    """The list shows the revision of its first page."""
    cache = KindCache()
    listed(cache, 5)
    cache.begin_list()
    cache.look("a", Found(9, 9), since=5, at=1)
    cache.replace({}, 7, started_at=0)
    assert cache.values == {"a": 9}


def test_a_restored_cluster_is_believed() -> None:
    """After etcd was restored from a backup all revisions are lower; a list still replaces everything."""
    cache = KindCache()
    listed(cache, 500, a=400)
    cache.look("a", Found(501, 501), since=500, at=1)
    listed(cache, 90, b=80)
    assert (cache.revision, cache.values) == (90, {"b": 80})


def test_a_look_makes_one_object_fresh() -> None:
    """The kind keeps its own age, and a bookmark makes all of it fresh."""
    cache = KindCache()
    listed(cache, 5, a=5, b=5)
    cache.look("a", Found(5, 5), since=5, at=30)
    assert [cache.object_current_at(name) for name in NAMES] == [30, 0]
    cache.bookmark(6, at=60)
    assert [cache.object_current_at(name) for name in NAMES] == [60, 60]


@dataclass
class Cluster:
    """A server whose every state is remembered, and a cache that hears of it late."""

    states: list[dict[str, int]] = field(default_factory=lambda: [{}])
    cache: KindCache = field(default_factory=KindCache)
    asked: list[tuple[str, int, Found | None]] = field(default_factory=list)
    listing: int | None = None
    seen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))

    @property
    def revision(self) -> int:
        """The newest revision: one a write."""
        return len(self.states) - 1

    def write(self, name: str) -> None:
        """Create the object, or change it."""
        self.states.append(self.states[-1] | {name: len(self.states)})

    def delete(self, name: str) -> None:
        """Delete the object; where it is absent, something else is written."""
        self.states.append({other: value for other, value in self.states[-1].items() if other != name})

    def hear(self, _name: str) -> None:
        """Deliver the next watch event, or a bookmark where the write was none of these objects'."""
        if self.cache.revision >= self.revision or self.listing is not None:
            return
        old, revision = self.states[self.cache.revision], self.cache.revision + 1
        new = self.states[revision]
        for name in NAMES:
            if old.get(name) != new.get(name):
                shown = new.get(name, old.get(name))
                self.cache.apply(name, Found(revision, shown), deleted=name not in new, at=0)
        self.cache.bookmark(revision, at=0)

    def ask(self, name: str) -> None:
        """Have the server answer a GET that will arrive later."""
        state = self.states[-1]
        found = Found(state[name], state[name]) if name in state else None
        self.asked.append((name, self.cache.revision, found))

    def answer(self, _name: str) -> None:
        """Let the oldest answer arrive."""
        if self.asked:
            name, since, found = self.asked.pop(0)
            self.cache.look(name, found, since=since, at=0)
            # What a present object showed may not be forgotten; an absence cannot be told from a lagging watch.
            self.seen[name] = max(self.seen[name], found.revision if found else 0)

    def look(self, name: str) -> None:
        """Ask, and let every answer arrive at once."""
        self.ask(name)
        while self.asked:
            self.answer(name)

    def overtake(self, name: str) -> None:
        """Have the watch tell of a deletion while the answer from before it is under way."""
        self.ask(name)
        self.delete(name)
        while self.listing is None and self.cache.revision < self.revision:
            self.hear(name)
        while self.asked:
            self.answer(name)

    def begin(self, _name: str) -> None:
        """Begin a list: its revision is fixed now."""
        if self.listing is None:
            self.listing = self.revision
            self.cache.begin_list()

    def finish(self, _name: str) -> None:
        """Finish the list."""
        if self.listing is not None:
            state = self.states[self.listing]
            self.cache.replace({name: Found(value, value) for name, value in state.items()}, self.listing, started_at=0)
            self.listing = None

    def check(self) -> None:
        """Every object looks as it did at some moment, and never again as before what was already seen."""
        for name in NAMES:
            self.seen[name] = max(self.seen[name], self.cache.revision)
            possible = {state.get(name) for state in self.states[self.seen[name] :]}
            assert (self.cache.values or {}).get(name) in possible


STEPS = st.tuples(
    st.sampled_from(
        ["write", "write", "delete", "hear", "hear", "ask", "answer", "look", "overtake", "begin", "finish"]
    ),
    st.sampled_from([*NAMES, "a"]),
)


@settings(max_examples=500)
@given(st.lists(STEPS, min_size=10, max_size=60))
def test_the_cache_never_steps_back_and_ends_right(steps: list[tuple[str, str]]) -> None:
    """Over any order of writes, events, looks and lists; once the watch has caught up, cache and server are one."""
    cluster = Cluster()
    cluster.cache.replace({}, 0, started_at=0)
    for step, name in steps:
        getattr(cluster, step)(name)
        cluster.check()
    cluster.finish("")
    while cluster.asked:
        cluster.answer("")
    while cluster.cache.revision < cluster.revision:
        cluster.hear("")
    assert cluster.cache.values == cluster.states[-1]
