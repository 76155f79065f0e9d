"""A canary in every place where an author keeps a secret: it is in no log, metric, page, error or record."""

import asyncio
import io
import json
from typing import Any

import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer
from support.golden_cases import CASES, GoldenCase, read_case
from support.plugin_world import daemon_set, node, pod_of, view
from support.served import replica, review

from webhook.controllers.event_texts import texts_of
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.plugin.unserved_plugins import unserved_plugins
from webhook.policy.model import Policy
from webhook.server import app
from webhook.server.admin import Admin
from webhook.server.app import PATHS, Webhook
from webhook.server.decide_live import FixedView
from webhook.server.decision_log import DecisionLog
from webhook.server.metrics import Metrics

CANARY = "hunter2-canary"
# Each golden verdict once is enough: the records of a pod depend on the verdict.
NAMES = (
    "inject-init-only",
    "mount-two-containers",
    "bootstrap-nvml",
    "bootstrap-runtime-class",
    "author-mounts-library",
    "user-namespaces",
    "zero-quantity-zero-number",
)
SHOWN = [read_case(folder) for folder in CASES if folder.name in NAMES]


def poisoned(case: GoldenCase) -> dict[str, Any]:
    """Return a case's pod with the canary in environment, arguments, annotations, probes and volumes."""
    pod: dict[str, Any] = json.loads(json.dumps(case.pod))
    pod.setdefault("metadata", {}).setdefault("annotations", {})["note"] = CANARY
    spec = pod["spec"]
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own = [{"name": name, "value": CANARY} for name in ("PASSWORD", "LD_LIBRARY_PATH")]
        container["env"] = [*(container.get("env") or []), *own]
        container["args"] = [*(container.get("args") or []), f"--token={CANARY}"]
        container["livenessProbe"] = {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": CANARY}]}}
    spec.setdefault("volumes", []).append({"name": "c", "flexVolume": {"options": {"password": CANARY}}})
    return pod


def observed(text: io.StringIO) -> DecisionLog:
    """Return an observer whose log goes into a text."""
    log = structlog.wrap_logger(
        structlog.PrintLogger(text),
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    return DecisionLog(log, Metrics.create())


async def told_of(hook: Webhook, bodies: list[bytes]) -> list[str]:
    """Send bodies to every path, and return all that can be read afterwards on any listener."""
    admin = Admin(hook.observer, replica())
    async with (
        TestClient(TestServer(hook.application())) as client,
        TestClient(TestServer(admin.probes())) as probes,
        TestClient(TestServer(admin.decisions())) as page,
    ):
        errors = []
        for path in (*PATHS, "/mutate/of-tomorrow"):
            for body in bodies:
                answer = await client.post(path, data=io.BytesIO(body))
                if answer.status != 200:
                    errors.append(await answer.text())
        told = [await (await probes.get(path)).text() for path in ("/metrics", "/readyz", "/healthz")]
        return [*errors, *told, *[await (await page.get(path)).text() for path in ("/", "/decisions", "/state")]]


@pytest.mark.parametrize("case", SHOWN, ids=[case.pod["metadata"].get("name") or case.entry for case in SHOWN])
async def test_no_value_of_an_authors_is_told(case: GoldenCase) -> None:
    """Not of a pod that is decided on, and not of one that is refused."""
    whole = json.dumps(review(poisoned(case), case.facts.namespace)).encode()
    kept = json.loads(whole)
    kept["request"]["userInfo"] = {"username": case.facts.username, "extra": {"scopes": [CANARY]}}
    odd = {**kept, "request": {**kept["request"], "operation": CANARY}}
    log = io.StringIO()
    hook = Webhook(case.policy, FixedView(case.view), observed(log))
    told = await told_of(hook, [json.dumps(kept).encode(), json.dumps(odd).encode(), whole[:-40]])
    assert hook.observer.recent, "nothing was decided, so nothing was proven"
    assert [text for text in (log.getvalue(), *told, repr(hook.observer.recent)) if CANARY in text] == []


async def test_no_value_is_told_of_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log shows the fault's place, not what it stumbled over."""

    async def bug(pod: dict[str, Any], *_: object) -> None:
        await asyncio.sleep(0)
        raise KeyError(pod["spec"]["containers"][0]["env"][-1]["value"])

    monkeypatch.setattr(app, "admit_workload", bug)
    log, case = io.StringIO(), SHOWN[0]
    hook = Webhook(case.policy, FixedView(case.view), observed(log))
    told = await told_of(hook, [json.dumps(review(poisoned(case))).encode()])
    assert '"event": "failed"' in log.getvalue()
    assert [text for text in (log.getvalue(), *told) if CANARY in text] == []


def test_the_canary_is_where_decisions_read() -> None:
    """Else its silence would say nothing: the patch of a plugin extends the author's own variable."""
    case = next(case for case in SHOWN if case.entry == "bootstrap")
    decision = decide_plugin(poisoned(case), case.facts, case.policy, case.view)
    assert CANARY in repr(decision.operations)


def test_no_value_of_a_plugins_pod_is_told() -> None:
    """Events, metrics and the page of nodes are made of the view and of decisions: none of it keeps a value."""
    owner, values = daemon_set(), [{"name": "PASSWORD", "value": CANARY}]
    container = {"name": "nvidia-device-plugin-ctr", "env": values, "args": [f"--token={CANARY}"]}
    owner["metadata"]["annotations"] = {"note": CANARY}
    pod, gpu = pod_of(owner, "gpu-1", containers=[container]), node("gpu-1")
    gpu["metadata"]["annotations"] = pod["metadata"]["annotations"] = {"note": CANARY}
    seen = view(gpu, owner, pod)
    blind = list(unserved_plugins(seen, Policy(), 0.0))
    notes = list(texts_of(blind, Policy()))
    assert notes, "no Event was made, so nothing was proven"
    assert CANARY not in repr((seen, blind, notes))
