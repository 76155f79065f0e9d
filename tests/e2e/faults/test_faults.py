"""Faults of the real cluster while GPU pods are created all the time: no pod is ever rejected."""

import time
from collections.abc import Callable

import pytest

from e2e.conftest import FIGURES
from e2e.faults.detection import is_reported, watching
from e2e.faults.faults import FAULTS, HEALED_WITHIN_SECONDS, Fault
from e2e.faults.scene import Lengths, Scene
from e2e.faults.table import Row
from e2e.pod_load import INJECTED, PodLoad, constant_load
from e2e.processes import until

pytestmark = pytest.mark.load

PODS_PER_SECOND = 40


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_no_pod_is_rejected(
    broken: Scene, fault: Fault, lengths: Lengths, rows: list[Row], record_property: Callable[[str, object], None]
) -> None:
    """Pods may be missed by some faults; after each, everything heals by itself."""
    load, row = measured(broken, fault, lengths)
    rows.append(row)
    record_property(FIGURES, f"{row.line()} {dict(load.outcomes)}")
    assert row.rejected == 0, load.refusals[:3]
    assert row.patched > PODS_PER_SECOND
    assert fault.misses_pods or row.unpatched == 0
    assert (row.detected_seconds is not None) == fault.is_detected


def measured(scene: Scene, fault: Fault, lengths: Lengths) -> tuple[PodLoad, Row]:
    """Let a fault happen under load, and wait until nothing is missed any more."""
    fault.prepare(scene)
    with constant_load(scene.plane, scene.replicas.namespace, PODS_PER_SECOND) as load:
        until(lambda: load.total > PODS_PER_SECOND, "pods are created before the fault")
        assert not load.missed, load.outcomes
        # What the fault before has left would count as found at once.
        until(lambda: not is_reported(scene), "the heartbeat is answered", seconds=HEALED_WITHIN_SECONDS)
        began = time.monotonic()
        with watching(scene) as watch, fault.happen(scene):
            over = time.monotonic()
        until(scene.is_whole, "certificate and replicas are whole", seconds=HEALED_WITHIN_SECONDS)
        whole = time.monotonic()
        until(
            lambda: time.monotonic() - max(load.missed, over) > lengths.calm,
            "every pod is patched again",
            seconds=HEALED_WITHIN_SECONDS,
        )
    detected = watch.found_at - began if watch.found_at else None
    return load, row_of(fault.name, load, over - began, max(whole, load.missed) - over, detected)


def row_of(name: str, load: PodLoad, seconds: float, heal_seconds: float, detected: float | None) -> Row:
    """Count the pods by outcome."""
    asked, patched = load.total, load.outcomes[INJECTED]
    rejected, away = load.outcomes["rejected"], load.outcomes["away"]
    unpatched = asked - patched - rejected - away
    told = unpatched - load.outcomes["unpatched"]
    return Row(name, seconds, asked, patched, unpatched, told, rejected, away, heal_seconds, detected)
