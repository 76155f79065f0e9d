"""Groups identical decisions, such as those for the replicas of one workload: one row for all of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

# What differs between the decisions of one row.
OWN_FIELDS = frozenset({"time", "uid", "replica", "durationSeconds"})


@dataclass(frozen=True, slots=True)
class DecisionGroup:
    """Decisions that are shown as one row: the first of them, how many they are, and the replicas that made them."""

    first: Mapping[str, Any]
    count: int
    replicas: tuple[str, ...]


def grouped(records: Iterable[Mapping[str, Any]]) -> list[DecisionGroup]:
    """Group decisions, in the order of the first of each group."""
    groups: dict[bytes, list[Mapping[str, Any]]] = {}
    for record in records:
        same = {name: value for name, value in record.items() if name not in OWN_FIELDS}
        groups.setdefault(orjson.dumps(same, option=orjson.OPT_SORT_KEYS), []).append(record)
    return [_group(found) for found in groups.values()]


def _group(records: Sequence[Mapping[str, Any]]) -> DecisionGroup:
    replicas = dict.fromkeys(str(record["replica"]) for record in records if "replica" in record)
    return DecisionGroup(records[0], len(records), tuple(replicas))
