"""What the replicas remember together, as text: observations, setbacks and evictions. Pure.

Kinds of node and texts are written once, and entries refer to them: thousands of nodes say the same. Whatever cannot be
read is left out, and another schema version counts as nothing: losing the state costs one more failure, never a wrong
patch.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from webhook.kube.values import elements, empty_mapping, items, mapping, text
from webhook.names import REGISTRATION_NAME
from webhook.observations.eviction import Eviction, History
from webhook.observations.plugin_observation import (
    MAX_OBSERVATIONS,
    NO_OBSERVATIONS,
    HostKind,
    Observation,
    ObservationKey,
    Observations,
    PluginState,
)
from webhook.observations.setback import (
    MAX_SETBACKS,
    MAX_TEXT,
    NO_SETBACKS,
    Setback,
    SetbackKey,
    SetbackKind,
    Setbacks,
)
from webhook.observations.setback_lifetime import LONGEST_DURATION

Value = TypeVar("Value")

SCHEMA = 1
DATA_KEY = "state.json"
"""Where the ConfigMap holds the text."""
NAME_SUFFIX = "-state"
"""What its name adds to that of the installation."""
MAX_BYTES = 256 * 1024
MAX_EVICTIONS = 1000
# Later times could not be added to.
LAST_YEAR = 9000


@dataclass(frozen=True, slots=True)
class StoredState:
    """What is stored. ``setbacks`` are those of one policy."""

    observations: Observations = NO_OBSERVATIONS
    setbacks: Setbacks = NO_SETBACKS
    evictions: History = field(default_factory=empty_mapping)


NO_STATE = StoredState()


class _Table:
    """Values that are written once; entries refer to them by number."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._numbers: dict[object, int] = {}

    def number(self, value: Any, written: object) -> int:  # noqa: ANN401 - anything that can be a key
        """Return the number of a value."""
        found = self._numbers.setdefault(value, len(self.values))
        if found == len(self.values):
            self.values.append(written)
        return found


def write_state(state: StoredState) -> str:
    """Return the state as text of at most 256 KiB: the oldest entries are left out where it would be longer."""
    written = _write(state)
    while len(written.encode()) > MAX_BYTES:
        state = _halved(state)
        written = _write(state)
    return written


def state_of(item: Mapping[str, Any]) -> StoredState:
    """Return the state that a ConfigMap holds."""
    return read_state(text(mapping(item.get("data")).get(DATA_KEY)))


def state_path(namespace: str) -> str:
    """Return the path of the ConfigMap of the usual installation's name."""
    return f"/api/v1/namespaces/{namespace}/configmaps/{REGISTRATION_NAME}{NAME_SUFFIX}"


def read_state(written: str) -> StoredState:
    """Return the state of a text, an empty one where the text cannot be read or has another schema version."""
    # A character is a byte at least.
    if len(written) > MAX_BYTES:
        return NO_STATE
    try:
        found = mapping(json.loads(written))
    except (ValueError, RecursionError):
        return NO_STATE
    if found.get("schema") != SCHEMA:
        return NO_STATE
    hosts = [_read_host(item) for item in items(found.get("hosts"))]
    texts = [text(item)[:MAX_TEXT] for item in elements(found.get("texts"))]
    observations = _read_all(found.get("observations"), lambda item: _read_observation(item, hosts), MAX_OBSERVATIONS)
    setbacks = _read_all(found.get("setbacks"), lambda item: _read_setback(item, hosts, texts), MAX_SETBACKS)
    evictions = _read_all(found.get("evictions"), _read_eviction, MAX_EVICTIONS)
    return StoredState(
        Observations(MappingProxyType(dict(observations))),
        Setbacks(MappingProxyType({each.key: each for each in setbacks}), policy=text(found.get("policy"))),
        MappingProxyType(dict(evictions)),
    )


def _write(state: StoredState) -> str:
    hosts, texts = _Table(), _Table()
    content = {
        "schema": SCHEMA,
        "policy": state.setbacks.policy,
        "setbacks": [_setback(found, hosts, texts) for found in state.setbacks.entries.values()],
        "observations": [_observation(key, found, hosts) for key, found in state.observations.entries.items()],
        "evictions": [
            {"node": node, "pod": found.pod, "daemonSet": found.daemon_set, "at": found.at.isoformat()}
            for node, found in state.evictions.items()
        ],
        "hosts": hosts.values,
        "texts": texts.values,
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _halved(state: StoredState) -> StoredState:
    setbacks = sorted(state.setbacks.entries.values(), key=lambda found: found.at, reverse=True)
    kept = {found.key: found for found in setbacks[: len(setbacks) // 2]}
    observations = list(state.observations.entries.items())
    evictions = sorted(state.evictions.items(), key=lambda item: item[1].at, reverse=True)
    return StoredState(
        Observations(dict(observations[len(observations) - len(observations) // 2 :])),
        replace(state.setbacks, entries=kept, expired=state.setbacks.expired & kept.keys()),
        dict(evictions[: len(evictions) // 2]),
    )


def _setback(found: Setback, hosts: _Table, texts: _Table) -> dict[str, object]:
    return {
        "key": list(found.key),
        "kind": found.kind,
        "text": texts.number(found.text, found.text),
        "at": found.at.isoformat(),
        "until": found.until.isoformat(),
        "repetitions": found.repetitions,
        "boot": found.boot_id,
        "host": hosts.number(found.host, _host(found.host)),
        "pod": found.pod,
        "released": found.released,
    }


def _observation(key: ObservationKey, found: Observation, hosts: _Table) -> dict[str, object]:
    return {
        "key": [key.namespace, key.daemon_set, key.nvml, key.runtime_class],
        "host": hosts.number(key.host, _host(key.host)),
        "state": found.state,
        "since": found.since and found.since.isoformat(),
        "blindSince": found.blind_since and found.blind_since.isoformat(),
    }


def _host(host: HostKind) -> dict[str, object]:
    return {**host._asdict(), "handlers": None if host.handlers is None else sorted(host.handlers)}


def _read_all(entries: object, read: Callable[[Mapping[str, Any]], Value], limit: int) -> Iterator[Value]:
    for item in elements(entries)[:limit]:
        try:
            yield read(mapping(item))
        except (ValueError, IndexError, TypeError, OverflowError):
            # Not what we wrote.
            continue


def _read_host(item: Mapping[str, Any]) -> HostKind:
    handlers = item.get("handlers")
    return HostKind(
        text(item.get("os_image")),
        text(item.get("kernel")),
        text(item.get("architecture")),
        text(item.get("runtime")),
        None if handlers is None else frozenset(map(text, elements(handlers))),
    )


def _read_setback(item: Mapping[str, Any], hosts: list[HostKind], texts: list[str]) -> Setback:
    namespace, daemon_set, node, recipe = map(text, elements(item.get("key")))
    began = _time(item.get("at"))
    return Setback(
        key=SetbackKey(namespace, daemon_set, node, recipe),
        kind=SetbackKind(text(item.get("kind"))),
        text=_at(texts, item.get("text")),
        at=began,
        until=min(_time(item.get("until")), began + LONGEST_DURATION),
        repetitions=int(item.get("repetitions", 1)),
        boot_id=text(item.get("boot")),
        host=_at(hosts, item.get("host")),
        pod=text(item.get("pod")),
        released=item.get("released") is True,
    )


def _read_observation(item: Mapping[str, Any], hosts: list[HostKind]) -> tuple[ObservationKey, Observation]:
    namespace, daemon_set, nvml, runtime_class = map(text, elements(item.get("key")))
    key = ObservationKey(namespace, daemon_set, _at(hosts, item.get("host")), nvml, runtime_class)
    since, blind_since = (_time(item[name]) if item.get(name) else None for name in ("since", "blindSince"))
    return key, Observation(PluginState(text(item.get("state"))), since, blind_since)


def _read_eviction(item: Mapping[str, Any]) -> tuple[str, Eviction]:
    found = Eviction(text(item.get("pod")), text(item.get("daemonSet")), _time(item.get("at")))
    return text(item.get("node")), found


def _at(values: list[Value], number: object) -> Value:
    if not isinstance(number, int) or number < 0:
        raise ValueError("no number of an entry")
    return values[number]


def _time(value: object) -> datetime:
    found = datetime.fromisoformat(text(value))
    if found.tzinfo is None or found.year > LAST_YEAR:
        raise ValueError("not a time that we write")
    return found
