"""The lookup of Events over the real session: what it costs, whatever a namespace contains, and what faults mean."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.cluster_world import session
from support.failed_workloads import ALONE, INJECT, MOUNT, NAMESPACE, NO_FILE, event, gpu_pod, of_namespace, refusal
from support.fake_api import FakeApi
from support.fake_time import FakeTime
from support.patched import patched

from certs.state_events import StateEvents
from webhook.decide.decision import Decision, RequestInfo
from webhook.kube_client.answer import Answer
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.observations.workload_failure import EventReason
from webhook.policy.model import Policy, SetbackRules
from webhook.server import event_lookup
from webhook.server.decide_live import FixedView
from webhook.server.event_lookup import FRESH_SECONDS, MAX_PAGES, MAX_VALUES, PAGE_SIZE, EventLookup, parse_page
from webhook.server.metrics import Metrics
from webhook.server.workload_admission import admit_workload
from webhook.server.workload_setbacks import WorkloadSetbacks
from webhook.view.view import ClusterView

EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@dataclass(slots=True)
class World:
    """A fake API server, the lookup, its time and metrics, and the events that it reported."""

    fake: FakeApi
    client: KubeClient
    lookup: EventLookup
    time: FakeTime
    metrics: Metrics
    told: list[str] = field(default_factory=list)

    def put(self, *items: dict[str, Any]) -> None:
        """Write Events, each under a name of its own."""
        for number, item in enumerate(items):
            metadata = {**item["metadata"], "name": f"event-{number:05}"}
            self.fake.put({**item, "metadata": metadata})

    async def admit(
        self,
        view: ClusterView = INJECT,
        pod: dict[str, Any] | None = None,
        namespace: str = NAMESPACE,
        **policy: Any,  # noqa: ANN401  keys of the policy
    ) -> Decision:
        """Decide on a pod as the server does."""
        labelled = {**(view.namespaces or {}), "other": (view.namespaces or {})[NAMESPACE]}
        source = FixedView(ClusterView(**{**_fields(view), "namespaces": labelled}))
        return await admit_workload(pod or gpu_pod(), RequestInfo(namespace), Policy(**policy), source, self.lookup)

    def asked(self) -> list[str]:
        """Return the selectors of the requests so far."""
        return [request.query["fieldSelector"] for request in self.fake.requests]

    def setbacks(self, kind: str) -> float | None:
        """Return the metric."""
        return self.metrics.registry.get_sample_value("gpu_injector_setbacks", {"kind": kind})


def _fields(view: ClusterView) -> dict[str, Any]:
    return {name: getattr(view, name) for name in ClusterView.__dataclass_fields__}


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """Have a lookup over the fake API server."""
    time, metrics = FakeTime(), Metrics.create()
    told: list[str] = []
    clock = Clock(now=lambda: NOW, monotonic=lambda: time.now)
    async with FakeApi() as fake, session(fake, folder) as client:

        def tell(word: str, /, **_: object) -> None:
            told.append(word)

        states = StateEvents(tell)
        lookup = EventLookup(client, states, WorkloadSetbacks(metrics.setbacks, clock.monotonic), clock)
        yield World(fake, client, lookup, time, metrics, told)


async def test_a_failure_leaves_the_pod_alone_and_is_counted(tmp_path: Path) -> None:
    """The Events are asked for by reason, in the pod's namespace."""
    async with world(tmp_path) as there:
        there.put(event())
        assert (await there.admit()).word == "leave/setback"
        assert there.asked() == ["reason=FailedCreatePodSandBox", "reason=Failed", "reason=FailedCreate"]
        assert {request.path for request in there.fake.requests} == {EVENTS}
        assert (there.setbacks("workload-class"), there.setbacks("workload-mount")) == (1, 0)
        there.time.now += 3600
        assert there.setbacks("workload-class") == 0


async def test_the_mount_asks_for_its_own_reasons(tmp_path: Path) -> None:
    """A pod without a controller is not asked about refusals."""
    async with world(tmp_path) as there:
        there.put(event(NO_FILE, "FailedMount"))
        assert (await there.admit(MOUNT, gpu_pod(**ALONE))).word == "leave/setback"
        assert there.asked() == ["reason=FailedMount", "reason=Failed"]
        assert there.setbacks("workload-mount") == 1


@pytest.mark.parametrize(
    ("owner", "reasons"),
    [
        ({"apiVersion": "batch/v1", "kind": "Job"}, ["FailedCreate"]),
        ({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob"}, ["FailedCreate", "FailedCreatePod"]),
        ({"apiVersion": "ray.io/v1", "kind": "RayCluster"}, ["FailedToCreateHeadPod", "FailedToCreateWorkerPod"]),
    ],
)
async def test_controllers_report_refusals_in_their_own_words(
    owner: dict[str, str], reasons: list[str], tmp_path: Path
) -> None:
    """Each reason is a request, so only those of the pod's controller are asked for."""
    async with world(tmp_path) as there:
        pod = gpu_pod(ownerReferences=[{**owner, "name": "x", "uid": "rs-1", "controller": True}])
        await there.admit(pod=pod)
        assert there.asked()[2:] == [f"reason={reason}" for reason in reasons]


async def test_the_answer_is_remembered_for_a_while(tmp_path: Path) -> None:
    """Many pods at once, and later ones, cost one lookup; then the next one follows."""
    async with world(tmp_path) as there:
        there.put(refusal())
        await asyncio.gather(*(there.admit(MOUNT) for _ in range(20)))
        assert len(there.asked()) == 3
        there.time.now += FRESH_SECONDS - 1
        assert (await there.admit(MOUNT)).word == "leave/setback"
        assert len(there.asked()) == 3
        there.fake.delete(f"{EVENTS}/event-00000")
        there.time.now += 1
        assert (await there.admit(MOUNT)).word == "mount/runtime-class-missing"
        assert len(there.asked()) == 6


async def test_what_is_remembered_needs_no_turn_of_the_event_loop(tmp_path: Path) -> None:
    """On a busy server a turn takes many times as long as the decision."""
    async with world(tmp_path) as found:
        reasons = tuple(EventReason)
        await found.lookup.failures(NAMESPACE, reasons)
        again = found.lookup.failures(NAMESPACE, reasons)
        with pytest.raises(StopIteration):
            again.send(None)


async def test_evidence_of_one_namespace_is_not_used_in_another(tmp_path: Path) -> None:
    """Neither an Event there about ours, nor what is remembered."""
    async with world(tmp_path) as there:
        there.put(of_namespace(event(), "other", about=NAMESPACE), of_namespace(event(), "third"))
        there.fake.put({**of_namespace(event(), "other"), "metadata": {"name": "own", "namespace": "other"}})
        assert (await there.admit(namespace="other")).word == "leave/setback"
        assert (await there.admit()).word == "inject/runtime-class"
        assert (await there.admit(namespace="other")).word == "leave/setback"


@pytest.mark.parametrize(
    ("pod", "policy", "view"),
    [
        ({"metadata": {"name": "x"}, "spec": {"containers": [{"name": "x"}]}}, {}, INJECT),
        (gpu_pod(labels={"gpu-injector.io/inject": "disabled"}), {}, INJECT),
        (gpu_pod(), {"fallback": "off"}, MOUNT),
        (gpu_pod(), {"setbacks": SetbackRules(workloads=False)}, INJECT),
    ],
    ids=["no GPU", "opted out", "left alone anyway", "turned off"],
)
async def test_a_pod_that_is_left_alone_costs_no_lookup(
    pod: dict[str, Any], policy: dict[str, Any], view: ClusterView, tmp_path: Path
) -> None:
    """Nothing is asked."""
    async with world(tmp_path) as there:
        await there.admit(view, pod, **policy)
        assert there.asked() == []


async def test_the_second_call_for_a_patched_pod_costs_no_lookup(tmp_path: Path) -> None:
    """It keeps its patch, whatever happened between the calls."""
    async with world(tmp_path) as there:
        first = await there.admit(MOUNT)
        there.time.now += FRESH_SECONDS
        there.put(event(NO_FILE, "FailedMount"))
        again = await there.admit(MOUNT, patched(gpu_pod(), first))
        assert (again.word, again.operations) == (first.word, ())
        assert len(there.asked()) == 3


FAULTS: dict[str, dict[str, Any]] = {
    "hangs": {"hold": True},
    "forbidden": {"status": 403},
    "not found": {"status": 404},
    "gone": {"status": 410},
    "overloaded": {"status": 429},
    "broken": {"status": 500},
    "cut": {"close": True},
    "no JSON": {"status": 200, "body": b"<html>"},
    "no object": {"status": 200, "body": []},
    "no list": {"status": 200, "body": {"kind": "EventList", "items": {"a": 1}}},
    "odd items": {"status": 200, "body": {"items": [1, None, {"metadata": 3, "involvedObject": [], "reason": {}}]}},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_without_an_answer_the_pod_is_patched_as_before(fault: dict[str, Any], tmp_path: Path) -> None:
    """No answer counts as no failure; it is not asked for again for a while, whatever the fault."""
    async with world(tmp_path) as there:
        there.put(event())
        there.fake.fault(EVENTS, **fault)
        assert (await there.admit()).word == "inject/runtime-class"
        count = len(there.asked())
        assert (await there.admit()).word == "inject/runtime-class"
        assert len(there.asked()) == count


async def test_a_right_that_is_missing_is_reported_once(tmp_path: Path) -> None:
    """And that it is back."""
    async with world(tmp_path) as there:
        fault = there.fake.fault(EVENTS, status=403)
        await there.admit()
        there.time.now += FRESH_SECONDS
        await there.admit()
        assert there.told == ["events-unreadable"]
        fault.clear()
        there.time.now += FRESH_SECONDS
        await there.admit()
        assert there.told == ["events-unreadable", "events-readable"]


async def test_of_many_events_a_few_pages_are_read(tmp_path: Path) -> None:
    """A namespace with more has those that come first; each reason has pages of its own."""
    async with world(tmp_path) as there:
        others = [event("Failed to create pod sandbox: no network") for _ in range(PAGE_SIZE * (MAX_PAGES + 2))]
        there.put(*others, event())
        assert (await there.admit(pod=gpu_pod(**ALONE))).word == "inject/runtime-class"
        assert there.asked().count("reason=FailedCreatePodSandBox") == MAX_PAGES
        assert all(request.query["limit"] == str(PAGE_SIZE) for request in there.fake.requests)


async def test_what_was_read_before_an_error_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second page is gone: the API server has forgotten the list."""
    async with world(tmp_path) as there:
        there.put(event(), *(event("Failed to create pod sandbox: no network") for _ in range(PAGE_SIZE)))
        get = there.client.read

        async def forgetful(path: str, **options: Any) -> Answer:  # noqa: ANN401
            answer = await get(path, **options)
            there.fake.store.compact()
            return answer

        monkeypatch.setattr(there.client, "read", forgetful)
        assert (await there.admit(pod=gpu_pod(**ALONE))).word == "leave/setback"
        assert there.told == []


async def test_a_page_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A user may write Events of a megabyte."""
    async with world(tmp_path) as there:
        there.put(event(action="x" * event_lookup.MAX_PAGE_BYTES))
        assert (await there.admit(pod=gpu_pod(**ALONE))).word == "inject/runtime-class"


def test_a_page_of_too_many_values_is_not_parsed() -> None:
    """Its size says little about what its parsing costs."""
    body = orjson.dumps({"items": [event(odd=[[]] * (MAX_VALUES // 2))]})
    with pytest.raises(ConnectionError, match="too many values"):
        parse_page(body, NAMESPACE, lambda: NOW)


async def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By entries and by characters; the oldest are forgotten, and their characters with them."""
    monkeypatch.setattr(event_lookup, "MAX_ENTRIES", 4)
    async with world(tmp_path) as there:
        there.put(event())
        for number in range(5):
            await there.lookup.failures(f"n{number}", [EventReason.SANDBOX])
        await there.lookup.failures(NAMESPACE, [EventReason.SANDBOX])
        entries = there.lookup._entries  # noqa: SLF001 - the memory itself
        assert [namespace for namespace, _ in entries] == ["n2", "n3", "n4", NAMESPACE]
        monkeypatch.setattr(event_lookup, "MAX_CHARACTERS", 0)
        await there.lookup.failures("n5", [EventReason.SANDBOX])
        assert [namespace for namespace, _ in entries] == ["n5"]
        assert there.lookup._characters == 0  # noqa: SLF001


async def test_a_namespace_that_is_slow_keeps_no_other_waiting(tmp_path: Path) -> None:
    """The lookup of another one is answered while the first hangs."""
    async with world(tmp_path) as there:
        there.fake.put({**of_namespace(event(), "other"), "metadata": {"name": "own", "namespace": "other"}})
        fault = there.fake.fault(EVENTS, hold=True)
        slow = asyncio.create_task(there.admit())
        await fault.struck()
        assert (await there.admit(namespace="other")).word == "leave/setback"
        assert (await slow).word == "inject/runtime-class"


async def test_lookups_that_found_no_turn_are_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They say nothing about their namespace: the next pod asks again."""
    async with world(tmp_path) as there:
        there.put(event())
        monkeypatch.setattr(there.lookup, "_turns", asyncio.Semaphore(0))
        assert (await there.admit()).word == "inject/runtime-class"
        monkeypatch.setattr(there.lookup, "_turns", asyncio.Semaphore(1))
        assert (await there.admit()).word == "leave/setback"
