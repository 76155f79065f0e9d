"""Events as the view keeps them: both APIs, times, nodes, and what is no failure of a workload."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from support.failed_workloads import NAMESPACE, event
from support.pods import JSON
from support.setback_world import NO_HANDLER

from webhook.observations.workload_failure import MAX_MESSAGE, EventReason, InvolvedObject
from webhook.view.event_projection import failures_of, project_failure

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_an_event_of_the_core_api() -> None:
    """Reason, object, node, time and cause are kept."""
    item = event(source={"component": "kubelet", "host": "gpu-1"}, lastTimestamp="2026-11-27T11:30:00Z")
    failure = project_failure(item)
    assert failure is not None
    assert failure.reason is EventReason.SANDBOX
    assert failure.about == InvolvedObject("Pod", "model-7c9d-abcde", "pod-1")
    assert (failure.node, failure.seen, failure.message) == ("gpu-1", NOW - timedelta(minutes=30), NO_HANDLER)
    assert failure.cause is not None
    assert failure.cause.subject == "nvidia"


def test_an_event_of_the_newer_api() -> None:
    """Its fields have other names."""
    core = event()
    item = {
        "metadata": core["metadata"],
        "regarding": core["involvedObject"],
        "reason": core["reason"],
        "note": core["message"],
        "reportingInstance": "gpu-1",
        "eventTime": "2026-11-27T11:00:00.000001Z",
        "series": {"lastObservedTime": "2026-11-27T11:45:00.000000Z"},
        "deprecatedLastTimestamp": "2026-11-27T11:20:00Z",
    }
    failure = project_failure(item)
    assert failure is not None
    assert (failure.node, failure.seen) == ("gpu-1", NOW - timedelta(minutes=15))
    assert failure.message == NO_HANDLER


@pytest.mark.parametrize(
    ("times", "counts"),
    [
        ({}, True),
        ({"lastTimestamp": "2026-11-27T11:00:01Z"}, True),
        ({"lastTimestamp": "2026-11-27T11:00:00Z"}, False),
        ({"firstTimestamp": "2026-11-26T12:00:00Z", "lastTimestamp": "2026-11-27T11:59:00Z"}, True),
        ({"lastTimestamp": None, "eventTime": "2026-11-27T10:00:00.000000Z"}, False),
        ({"lastTimestamp": "2099-01-01T00:00:00Z"}, True),
        ({"lastTimestamp": "soon"}, True),
    ],
)
def test_a_failure_counts_for_an_hour(times: dict[str, Any], counts: bool) -> None:  # noqa: FBT001
    """API servers may keep Events for longer; what records no time counts."""
    assert bool(failures_of([event(**times)], NAMESPACE, NOW)) is counts


def test_of_a_long_message_the_beginning_is_kept() -> None:
    """Users write Events of any size."""
    failure = project_failure(event(NO_HANDLER + "x" * 100_000))
    assert failure is not None
    assert len(failure.message) == MAX_MESSAGE


@pytest.mark.parametrize("message", ["Back-off pulling image", "", "exceeded disk pressure"])
def test_what_names_nothing_of_ours_is_not_kept(message: str) -> None:
    """Most failures have nothing to do with GPUs."""
    assert project_failure(event(message, "Failed")) is None


@given(JSON)
def test_any_json_is_projected(value: Any) -> None:  # noqa: ANN401
    """Nothing that JSON can say makes it fail."""
    for item in ({"metadata": value}, {"involvedObject": value, "reason": "Failed"}, event(series=value, source=value)):
        project_failure(item)
    project_failure(event(value, "FailedMount", lastTimestamp=value))
