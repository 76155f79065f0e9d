"""The state as text: what is written comes back, and whatever else is found is nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.observations.eviction import Eviction
from webhook.observations.plugin_observation import HostKind, Observation, ObservationKey, Observations, PluginState
from webhook.observations.setback import MAX_SETBACKS, Setback, SetbackKey, SetbackKind, Setbacks
from webhook.observations.stored_state import MAX_BYTES, NO_STATE, StoredState, read_state, write_state

NOW = datetime(2026, 11, 27, 12, 0, 0, 5, tzinfo=UTC)
HOST = HostKind("Ubuntu", "6.8", "amd64", "containerd://1.7.28", frozenset({"", "runc", "nvidia"}))
KEY = SetbackKey("kube-system", "plugin", "gpu-1", "runtime-class")
SETBACK = Setback(
    KEY, SetbackKind.BLOCKED, "no runtime", NOW, NOW + timedelta(hours=2), 2, "boot-1", HOST, "pod-1", released=True
)
STATE = StoredState(
    Observations(
        {ObservationKey("kube-system", "plugin", HOST, "class", "nvidia"): Observation(PluginState.BLIND, NOW)}
    ),
    Setbacks({KEY: SETBACK}, policy="abc"),
    {"gpu-1": Eviction("pod-1", "ds-1", NOW)},
)
NAMES, TIMES = st.text(max_size=20), st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
HOSTS = st.builds(HostKind, NAMES, NAMES, NAMES, NAMES, st.none() | st.frozensets(NAMES, max_size=3))
SETBACKS = st.builds(
    lambda at, hours, **fields: Setback(at=at, until=at + timedelta(hours=hours), **fields),
    key=st.builds(SetbackKey, NAMES, NAMES, NAMES, NAMES),
    kind=st.sampled_from(SetbackKind),
    text=NAMES,
    at=TIMES,
    hours=st.integers(0, 24),
    repetitions=st.integers(1, 50),
    boot_id=NAMES,
    host=HOSTS,
    pod=NAMES,
    released=st.booleans(),
)
OBSERVATIONS = st.dictionaries(
    st.builds(ObservationKey, NAMES, NAMES, HOSTS, NAMES, NAMES),
    st.builds(Observation, st.sampled_from(PluginState), st.none() | TIMES, st.none() | TIMES),
    max_size=4,
)
STATES = st.builds(
    StoredState,
    st.builds(Observations, OBSERVATIONS),
    st.builds(
        lambda found, policy: Setbacks({one.key: one for one in found}, policy=policy),
        st.lists(SETBACKS, max_size=4),
        NAMES,
    ),
    st.dictionaries(NAMES, st.builds(Eviction, NAMES, NAMES, TIMES), max_size=3),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(STATES)
def test_what_is_written_comes_back(state: StoredState) -> None:
    """Every field of it."""
    assert read_state(write_state(state)) == state


def test_kinds_of_node_and_texts_are_written_once() -> None:
    """Thousands of nodes say the same."""
    many = {KEY._replace(node=f"gpu-{n}"): replace(SETBACK, key=KEY._replace(node=f"gpu-{n}")) for n in range(50)}
    written = json.loads(write_state(replace(STATE, setbacks=Setbacks(many))))
    assert (len(written["setbacks"]), len(written["hosts"]), len(written["texts"])) == (50, 1, 1)


@pytest.mark.parametrize("schema", [0, 2, "1", None, 99])
def test_another_schema_version_counts_as_nothing(schema: object) -> None:
    """A newer replica's state is replaced, never guessed at."""
    written = json.loads(write_state(STATE)) | {"schema": schema}
    assert read_state(json.dumps(written)) == NO_STATE


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", "[" * 100_000, '{"schema":1}', " " * (MAX_BYTES + 1)])
def test_what_cannot_be_read_counts_as_nothing(text: str) -> None:
    """Losing the state costs one more failure."""
    assert read_state(text) == NO_STATE


@given(st.sampled_from(["setbacks", "observations", "evictions", "hosts", "texts", "policy"]), JSON)
def test_odd_parts_do_no_harm(part: str, value: Any) -> None:  # noqa: ANN401
    """Whatever a client writes there."""
    read_state(json.dumps(json.loads(write_state(STATE)) | {part: value}))


@given(st.sampled_from(["setbacks", "observations", "evictions"]), st.data())
def test_an_odd_entry_is_left_out(part: str, data: st.DataObject) -> None:
    """The others are read."""
    written = json.loads(write_state(STATE))
    odd = dict(written[part][0])
    odd[data.draw(st.sampled_from(sorted(odd)))] = data.draw(JSON)
    written[part].insert(0, odd)
    found = read_state(json.dumps(written))
    assert found.setbacks.entries.get(KEY) == SETBACK
    assert found.evictions["gpu-1"] == STATE.evictions["gpu-1"]
    assert STATE.observations.entries.items() <= found.observations.entries.items()


@pytest.mark.parametrize(
    ("change", "until"),
    [
        ({"until": "2999-01-01T00:00:00+00:00"}, NOW + timedelta(days=1)),
        ({"until": "9999-12-31T23:59:59+00:00"}, None),
        ({"at": "9999-12-31T23:59:59+00:00"}, None),
        ({"at": "2026-01-01T00:00:00"}, None),
        ({"repetitions": float("inf")}, None),
        ({"host": -1}, None),
        ({"kind": "new"}, None),
    ],
)
def test_a_setback_that_we_did_not_write(change: dict[str, object], until: datetime | None) -> None:
    """It counts for a day at most, or not at all."""
    written = json.loads(write_state(STATE))
    written["setbacks"][0] |= change
    found = read_state(json.dumps(written)).setbacks.entries.get(KEY)
    assert (found and found.until) == until


def test_the_text_is_bounded() -> None:
    """The newest setbacks are kept."""
    keys = [KEY._replace(node=f"{n:0250d}") for n in range(MAX_SETBACKS)]
    many = {
        key: replace(SETBACK, key=key, text=f"{n}{'x' * 290}", at=NOW + timedelta(seconds=n))
        for n, key in enumerate(keys)
    }
    written = write_state(StoredState(setbacks=Setbacks(many)))
    assert len(written.encode()) <= MAX_BYTES
    kept = read_state(written).setbacks.entries
    assert set(kept) == set(keys[-len(kept) :])
    assert len(kept) >= MAX_SETBACKS // 4
