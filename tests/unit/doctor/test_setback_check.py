"""Doctor's check of patches that failed: pods that they block, and what it does not count."""

from datetime import UTC, datetime
from typing import Any

import pytest
from support.failed_workloads import NO_FILE, event, gpu_pod, refusal

from webhook.doctor.check import State
from webhook.doctor.checks.check_workload_setbacks import workload_setbacks
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.policy.model import Policy

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CLASS = {"metadata": {"name": "nvidia"}, "handler": "nvidia"}


def facts(*events: dict[str, Any], pods: tuple[dict[str, Any], ...] = ()) -> ClusterFacts:
    """Return the facts of a cluster with these Events and GPU pods."""
    return ClusterFacts(policy=Policy(), now=NOW, runtime_classes=(CLASS,), events=events, gpu_pods=pods)


def blocked(word: str = "inject/runtime-class", uid: str = "pod-1", phase: str = "Pending") -> dict[str, Any]:
    """Return a pod that waits."""
    annotations = {"gpu-injector.io/decision": word}
    return {**gpu_pod(name="model-1", uid=uid, annotations=annotations), "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("item", "word"),
    [(event(), "inject/runtime-class"), (event(NO_FILE, "FailedMount"), "mount/runtime-class-missing")],
    ids=["class", "mount"],
)
def test_a_blocked_pod_is_named_with_what_releases_it(item: dict[str, Any], word: str) -> None:
    """It is never changed by us: its owner deletes it."""
    result = workload_setbacks(facts(item, pods=(blocked(word),)))
    assert result.state is State.FAIL
    assert result.evidence[0].startswith("ml/model-1 is blocked by our patch: ")
    assert result.fix[0] == "kubectl -n ml delete pod model-1: the next pod of its controller is left alone"
    assert "policy" in result.fix[1]


@pytest.mark.parametrize(
    "pod",
    [blocked("leave/setback"), blocked(uid="pod-2"), blocked(phase="Running")],
    ids=["not patched", "another pod", "it runs"],
)
def test_other_pods_are_not_blocked_by_us(pod: dict[str, Any]) -> None:
    """The namespace is still named."""
    (line,) = workload_setbacks(facts(event(), pods=(pod,))).evidence
    assert line.startswith("new GPU pods of ml may be left alone (setback)")


@pytest.mark.parametrize(
    "item",
    [
        event('no runtime for "kata" is configured'),
        event(lastTimestamp="2026-11-27T10:59:59Z"),
        event(NO_FILE.replace("gpu-injector-", "data-"), "FailedMount"),
        refusal("exceeded quota: gpus, requested: requests.nvidia.com/gpu=1"),
    ],
    ids=["another handler", "older than an hour", "an author's file", "a quota"],
)
def test_other_events_are_no_failures_of_ours(item: dict[str, Any]) -> None:
    """Other checks report them."""
    assert workload_setbacks(facts(item)).state is State.PASS
