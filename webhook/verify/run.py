"""Creates the probe pods, waits for their answers, and removes everything that was created."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

from webhook.decide.pod import annotations
from webhook.kube.values import items, mapping, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.paging import objects
from webhook.names import DECISION_KEY, VERIFY_PREFIX
from webhook.verify.judge import GpuState, ProbeResult, Problem, judge
from webhook.verify.probe_pod import Plan, namespace, probe_pod

CALL_SECONDS = 30
POLL_SECONDS = 1.0
ACCOUNT_POLLS = 30
# Each pod is read once a second.
MAX_PODS = 20
NAMESPACES = "/api/v1/namespaces"


@asynccontextmanager
async def probe_namespace(client: KubeClient, existing: str) -> AsyncIterator[str]:
    """Yield the namespace for the pods: an existing one, or a new one that is removed at the end."""
    if existing:
        yield existing
        return
    name = f"{VERIFY_PREFIX}{secrets.token_hex(3)}"
    await _create(client, NAMESPACES, namespace(name))
    try:
        await _service_account(client, name)
        yield name
    finally:
        await _delete(client, f"{NAMESPACES}/{name}")


async def _service_account(client: KubeClient, where: str) -> None:
    """Wait for the namespace's ServiceAccount, which a controller creates: admission refuses pods before."""
    for _ in range(ACCOUNT_POLLS):
        if await client.find(f"{NAMESPACES}/{where}/serviceaccounts/default"):
            return
        await asyncio.sleep(POLL_SECONDS)


async def probe_nodes(client: KubeClient, where: str, plan: Plan) -> list[ProbeResult]:
    """Probe all nodes, a limited number at a time. Raises OSError if the API server does not answer."""
    turns = asyncio.Semaphore(MAX_PODS)

    async def one(node: str, resource: str) -> ProbeResult:
        async with turns:
            return await _prove(client, where, plan, node, resource)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(node, resource)) for node, resource in sorted(plan.nodes.items())]
    except ExceptionGroup as failed:
        # All tasks have ended and removed their pods; report the first error.
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]


async def _prove(client: KubeClient, where: str, plan: Plan, node: str, resource: str) -> ProbeResult:
    if not resource:
        return ProbeResult(
            node, GpuState.FAILS, (Problem("no-gpu-offered", "it offers no GPU: gpu-injector doctor shows why"),)
        )
    # We choose the name, so that the pod is removed even if the answer to its creation is lost.
    name = f"{VERIFY_PREFIX}{secrets.token_hex(5)}"
    path = f"{NAMESPACES}/{where}/pods/{name}"
    pod = probe_pod(name, node, resource, plan)
    try:
        return await _answer(client, path, plan, node, await _create(client, path.rpartition("/")[0], pod))
    except ApiError as refused:
        return ProbeResult(
            node, GpuState.UNKNOWN, (Problem("probe-refused", f"the probe could not be run: {refused.for_people}"),)
        )
    finally:
        await _delete(client, path)


async def _answer(client: KubeClient, path: str, plan: Plan, node: str, made: Mapping[str, Any]) -> ProbeResult:
    decision = text(annotations(made).get(DECISION_KEY))
    found: Mapping[str, Any] = made
    try:
        async with asyncio.timeout(plan.timeout_seconds):
            while _phase(found) not in ("Succeeded", "Failed"):
                await asyncio.sleep(POLL_SECONDS)
                found = await client.find(path) or {"status": {"phase": "Failed", "reason": "it was removed"}}
    except TimeoutError:
        return await _stuck(client, path, ProbeResult(node, GpuState.FAILS, decision=decision), found)
    try:
        said = await client.text(f"{path}/log?container=probe", timeout_seconds=CALL_SECONDS)
    except ApiError as error:
        why = Problem("log-unread", f"the probe's log could not be read: {error.for_people}")
        return ProbeResult(node, GpuState.UNKNOWN, (why,), decision)
    try:
        return judge(node, mapping(json.loads(said.strip().rpartition("\n")[2])), decision)
    except ValueError:
        status = mapping(found.get("status"))
        ended = " ".join(filter(None, (text(status.get("reason")), text(status.get("message")), said.strip()[-200:])))
        return ProbeResult(
            node,
            GpuState.FAILS,
            (Problem("probe-failed", f"the probe failed: {ended or 'it printed nothing'}"),),
            decision,
        )


async def _stuck(client: KubeClient, path: str, proof: ProbeResult, pod: Mapping[str, Any]) -> ProbeResult:
    """Return why a pod did not end in time: it waits for a GPU, for its image, or for its sandbox."""
    status = mapping(pod.get("status"))
    for condition in items(status.get("conditions")):
        if condition.get("reason") == "Unschedulable":
            # If all GPUs are in use, the node has no problem.
            why = Problem("not-scheduled", f"no pod was scheduled: {text(condition.get('message'))}")
            return ProbeResult(proof.node, GpuState.UNKNOWN, (why,), proof.decision)
    waiting = [
        f"{text(reason.get('reason'))} {text(reason.get('message'))}".strip()
        for container in items(status.get("containerStatuses"))
        if (reason := mapping(mapping(container.get("state")).get("waiting")))
    ]
    events = await _warnings(client, path)
    phase = Problem("pod-not-ended", f"the pod is {_phase(pod) or 'Pending'}")
    why_stuck = (phase, *(Problem("pod-waits", said) for said in dict.fromkeys((*waiting, *events))))
    return ProbeResult(proof.node, GpuState.FAILS, why_stuck, proof.decision)


async def _warnings(client: KubeClient, path: str) -> Iterable[str]:
    where, _, name = path.removeprefix(f"{NAMESPACES}/").partition("/pods/")
    query = {"fieldSelector": f"involvedObject.name={name},type=Warning"}
    try:
        return [text(event.get("message")) for event in await objects(client, f"{NAMESPACES}/{where}/events", query)][
            -3:
        ]
    except ApiError:
        return []


def _phase(pod: Mapping[str, Any]) -> str:
    return text(mapping(pod.get("status")).get("phase"))


async def _create(client: KubeClient, path: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return await client.create(path, item, timeout_seconds=CALL_SECONDS)


async def _delete(client: KubeClient, path: str) -> None:
    """Delete an object, even while the command is being interrupted."""
    options = urlencode({"gracePeriodSeconds": "0"}) if "/pods/" in path else ""
    place = f"{quote(path)}{'?' if options else ''}{options}"
    # It may never have been created, or be gone already.
    with suppress(ApiError):
        await asyncio.shield(client.delete(place, timeout_seconds=CALL_SECONDS))
