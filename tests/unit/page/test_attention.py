"""Which decisions need attention, which are trials, and which are shown as one row."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from support.served import GPU_POD, decided, replica, review, webhook

from webhook.doctor.dry_run_pod import gpu_pod
from webhook.names import HEARTBEAT_PATH, WORKLOADS_PATH
from webhook.page.attention import settled
from webhook.page.filters import Filters
from webhook.page.groups import grouped
from webhook.page.render import render
from webhook.policy.model import Policy
from webhook.registration.heartbeat_object import heartbeat_object
from webhook.server.admin import Admin
from webhook.server.app import Webhook
from webhook.verify.probe_pod import Plan, probe_pod

NOW = 1_800_000_000.0
PLAN = Plan({}, "image", {}, Policy(), 60)
PROBE = probe_pod("gpu-injector-verify-abc", "gpu-1", "nvidia.com/gpu", PLAN)


def record(time: float, *, attention: bool = False, **fields: object) -> dict[str, Any]:
    """Return a decision as ``/decisions`` has it, as far as attention depends on it."""
    names = {"namespace": "ml", "name": "model-", "owner": "ReplicaSet/model-5d7c9f8b6d"}
    return {"time": time, "needsAttention": attention, "trial": "", "node": "", **names, **fields}


async def recorded(pod: object, *, dry_run: object = False) -> dict[str, Any]:
    """Return what the webhook remembers of one request."""
    return (await _all_recorded(webhook(), WORKLOADS_PATH, review(pod, dryRun=dry_run)))[0]


async def _all_recorded(hook: Webhook, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    async with TestClient(TestServer(hook.application())) as client:
        assert (await client.post(path, json=body)).status == 200
    return [found.to_json() for found in hook.observer.recent]


@pytest.mark.parametrize(
    ("pod", "dry_run", "trial"),
    [
        (GPU_POD, False, ""),
        (GPU_POD, None, ""),
        (GPU_POD, "true", ""),
        (GPU_POD, True, "server dry-run"),
        (gpu_pod(Policy()), True, "doctor"),
        (gpu_pod(Policy()), False, ""),
        (PROBE, False, "verify"),
        ({**PROBE, "metadata": {"name": "model", "labels": PROBE["metadata"]["labels"]}}, False, ""),
        ({**PROBE, "metadata": {"name": PROBE["metadata"]["name"]}}, False, ""),
    ],
)
async def test_a_trial_is_recorded_as_one(pod: dict[str, Any], dry_run: object, trial: str) -> None:
    """A server-side dry-run, doctor's pod, or a pod of verify; an odd value of dryRun is answered, and is none."""
    assert (await recorded(pod, dry_run=dry_run))["trial"] == trial


async def test_a_heartbeat_is_no_decision() -> None:
    """Replicas send them all the time; the page does not list them."""
    body = heartbeat_object("gpu-injector")
    resource = {"group": "", "version": "v1", "resource": "configmaps"}
    sent = review(body, "gpu-injector", resource=resource, dryRun=True)
    assert await _all_recorded(webhook(), HEARTBEAT_PATH, sent) == []


async def test_a_trial_is_marked_and_not_counted() -> None:
    """Neither among all decisions, nor by its verdict, nor among those that need attention."""
    odd = {"metadata": {"name": "odd"}, "spec": {**GPU_POD["spec"], "hostUsers": False}}
    found = [await recorded(odd, dry_run=True), await recorded(GPU_POD)]
    assert [item["needsAttention"] for item in found] == [False, False]
    page = render([replica().to_json()], found, Filters(), NOW)
    assert "trial: server dry-run" in page
    for counted in ("all <b>1</b>", "needs attention <b>0</b>", "inject <b>1</b>", "leave <b>0</b>"):
        assert counted in page
    assert "1 of 1 decision, and 1 trial that is not counted," in page
    only = render([replica().to_json()], found[:1], Filters(), NOW)
    assert "0 of 0 decisions, and 1 trial that is not counted," in only


@pytest.mark.parametrize(
    ("earlier", "later", "resolved"),
    [
        ({}, {}, True),
        ({}, {"owner": "ReplicaSet/model-7f6c8b9d5c"}, True),
        ({}, {"owner": "ReplicaSet/other-7f6c8b9d5c"}, False),
        ({"owner": "ReplicaSet/model-a"}, {"owner": "ReplicaSet/model-b"}, False),
        ({}, {"namespace": "web"}, False),
        ({}, {"needsAttention": True}, False),
        ({}, {"trial": "doctor"}, False),
        ({}, {"time": 0.5}, False),
        ({"owner": "Job/nightly-29384720"}, {"owner": "Job/nightly-29384780"}, True),
        ({"owner": "Job/train-1"}, {"owner": "Job/train-2"}, False),
        ({"owner": "", "name": "model"}, {"owner": "", "name": "model"}, True),
        ({"owner": "", "name": "model"}, {"owner": "", "name": "other"}, False),
        ({"owner": "StatefulSet/db", "name": "db-0"}, {"owner": "StatefulSet/db", "name": "db-0"}, True),
        ({"owner": "StatefulSet/db", "name": "db-0"}, {"owner": "StatefulSet/db", "name": "db-1"}, False),
        ({"owner": "DaemonSet/plugin", "node": "a"}, {"owner": "DaemonSet/plugin", "node": "a"}, True),
        ({"owner": "DaemonSet/plugin", "node": "a"}, {"owner": "DaemonSet/plugin", "node": "b"}, False),
    ],
)
def test_a_later_decision_resolves_the_warning_of_the_same_workload(
    earlier: dict[str, object], later: dict[str, object], *, resolved: bool
) -> None:
    """A rollout, the next run of a CronJob, or a pod of the same name; for a DaemonSet, on the same node."""
    first = record(1, attention=True, **earlier)
    found, _ = settled([first, {**record(2), **later}])
    assert (found["needsAttention"], "resolved" in found) == (not resolved, resolved)


def test_records_of_older_replicas_are_read() -> None:
    """During an upgrade they name neither trial nor node."""
    older = {key: value for key, value in record(1, attention=True).items() if key not in ("trial", "node")}
    assert settled([older, record(2)])[0]["needsAttention"] is False
    assert settled([older])[0] is older


async def test_page_and_json_agree_on_what_is_resolved() -> None:
    """Where a filter leaves the later decision out, too."""
    hook = webhook()
    odd = {"metadata": {"name": "model"}, "spec": {**GPU_POD["spec"], "hostUsers": False}}
    await decided(odd, hook=hook)
    async with TestClient(TestServer(Admin(hook.observer, replica()).decisions())) as client:
        assert len(await (await client.get("/decisions?attention=1")).json()) == 1
        await decided(GPU_POD, hook=hook)
        for query in ("?attention=1", "?attention=1&verdict=leave"):
            assert await (await client.get(f"/decisions{query}")).json() == []
        page = await (await client.get("/")).text()
    assert "needs attention <b>0</b>" in page
    assert "resolved by a later decision" in page


async def test_identical_decisions_are_one_row() -> None:
    """The pods of one workload, whichever replica of the webhook decided; a different one stays a row of its own."""
    (first,) = await decided({**GPU_POD, "metadata": {"generateName": "model-"}})
    same = [first | {"uid": str(number), "time": first["time"] + number} for number in range(3)]
    same[1]["replica"], same[0]["replica"], same[2]["replica"] = "b", "a", "a"
    other = first | {"uid": "3", "warnings": ["gpu-injector: other"], "replica": "a"}
    assert [(group.count, group.replicas) for group in grouped([*same, other])] == [(3, ("a", "b")), (1, ("a",))]
    states = [replica().to_json(), replica().to_json()]
    page = render(states, [*same, other], Filters(), NOW)
    assert page.count("\u00d73") == 1
    assert page.count("<time ") == 2
    assert "all <b>4</b>" in page


async def test_a_pod_that_was_left_alone_was_only_annotated() -> None:
    """The annotation is no patch that a user must know."""
    left, patched = await decided(
        {"metadata": {"name": "own"}, "spec": {**GPU_POD["spec"], "runtimeClassName": "kata"}}, GPU_POD
    )
    states = [replica().to_json()]
    assert "annotated only" in render(states, [left], Filters(), NOW)
    assert "patched by" not in render(states, [left], Filters(), NOW)
    assert "annotated only" not in render(states, [patched], Filters(), NOW)
