"""The HTTP edge: reviews in, answers out, and what happens to everything that is no review."""

import asyncio
import base64
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs
from support.golden_cases import CASES, GOLDEN, read_case, read_view
from support.served import CALLED, GPU_POD, counted, review, webhook

from webhook.decide.decision import Decision, Reason, Verdict
from webhook.decide.patch import add
from webhook.names import EPHEMERAL_PATH, TEMPLATES_PATH, WORKLOADS_PATH
from webhook.policy.model import Policy
from webhook.server import app
from webhook.server.admin import Admin
from webhook.server.app import Webhook
from webhook.server.decide_live import FixedView
from webhook.server.overload import Load, timeout_seconds
from webhook.server.state import Replica
from webhook.view.view import ClusterView, RuntimeClass


@pytest.mark.parametrize("folder", CASES, ids=lambda path: path.name)
async def test_the_answer_is_the_golden_decision(folder: Path) -> None:
    """What `decide` says offline is what the API server gets."""
    case, golden = read_case(folder), yaml.safe_load((folder / "decision.yaml").read_text())
    body = review(
        case.pod, case.facts.namespace, operation=case.facts.operation, subResource=case.facts.subresource or ""
    )
    body["request"]["userInfo"] = {"username": case.facts.username}
    source = FixedView(case.view, case.facts.runtime_classes_age_seconds)
    async with TestClient(TestServer(webhook(source, case.policy).application())) as client:
        answer = await (await client.post(f"/mutate/{case.entry}", json=body)).json()
    response = answer["response"]
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert (response["uid"], response["allowed"]) == (body["request"]["uid"], True)
    assert response["auditAnnotations"] == {"decision": golden["decision"]}
    assert response.get("warnings", []) == golden["warnings"]
    sent = json.loads(base64.b64decode(response["patch"])) if "patch" in response else []
    assert sent == ([] if golden["dryRun"] else golden["operations"])
    assert response.get("patchType", "JSONPatch") == "JSONPatch"


def nested(levels: int) -> bytes:
    """Return a review whose pod is this deep."""
    text = json.dumps(review("@"))
    return text.replace('"@"', '{"a":' * levels + "1" + "}" * levels).encode()


MALFORMED = {
    "not JSON": (b"pod", 400, "not JSON"),
    "empty": (b"", 400, "not JSON"),
    "not UTF-8": (b'{"kind": "\xff"}', 400, "not JSON"),
    "a list": (b"[]", 400, "body"),
    "wrong kind": (json.dumps(review({}) | {"kind": "Pod"}).encode(), 400, "kind"),
    "v1beta1": (json.dumps(review({}) | {"apiVersion": "admission.k8s.io/v1beta1"}).encode(), 400, "apiVersion"),
    "no request": (json.dumps(review({}) | {"request": None}).encode(), 400, "request"),
    "no uid": (json.dumps(review({}, uid=None)).encode(), 400, "uid"),
    "empty uid": (json.dumps(review({}, uid="")).encode(), 400, "uid"),
    "no object": (json.dumps(review(None)).encode(), 400, "object"),
    "object is a list": (json.dumps(review([])).encode(), 400, "object"),
    "unknown operation": (json.dumps(review({}, operation="EAT")).encode(), 400, "operation"),
    "10,000 levels deep": (nested(10_000), 400, "not JSON: depth limit exceeded"),
    "8 MiB": (json.dumps(review({"x": "y" * 8 * 1024 * 1024})).encode(), 413, "larger"),
}


@pytest.mark.parametrize(("body", "status", "why"), MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_review_is_refused_and_counted(
    hook: Webhook, client: TestClient[Any, Any], body: bytes, status: int, why: str
) -> None:
    """Each gets a clear 4xx, is counted, and the server goes on."""
    response = await client.post(WORKLOADS_PATH, data=io.BytesIO(body))
    assert (response.status, why in await response.text()) == (status, True)
    assert counted(hook, str(status)) == 1
    assert (await client.post(WORKLOADS_PATH, json=review(GPU_POD))).status == 200


async def test_half_a_body_then_silence_is_refused(hook: Webhook, client: TestClient[Any, Any]) -> None:
    """The body is read under the deadline that the API server names."""
    # No API server is that impatient: a loop that is as late as that would be thought busy.
    hook.load = Load(clock=lambda: 0.0)
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = f"POST {WORKLOADS_PATH}?timeout=50ms HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
    writer.write(head.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    assert counted(hook, "408") == 1
    writer.close()
    assert (await client.post(WORKLOADS_PATH, json=review(GPU_POD))).status == 200


async def test_no_error_quotes_the_body(client: TestClient[Any, Any]) -> None:
    """A pod's environment may be a secret, and errors are logged."""
    body = review({"spec": "hunter2"}, uid=None, operation="hunter2")
    with capture_logs() as logs:
        response = await client.post(WORKLOADS_PATH, json=body)
    assert "hunter2" not in await response.text()
    assert "hunter2" not in str(logs)


@pytest.mark.parametrize("path", ["/mutate/of-tomorrow", "/mutate/a/b", "/warn/of-tomorrow"])
async def test_a_path_of_a_later_version_allows(hook: Webhook, client: TestClient[Any, Any], path: str) -> None:
    """Upgrades may bring the registration before the server."""
    answer = await (await client.post(path, json=review(GPU_POD))).json()
    assert answer["response"] == {"uid": review({})["request"]["uid"], "allowed": True}
    assert counted(hook, "200", "other") == 1


async def test_other_paths_and_methods_are_not_found(client: TestClient[Any, Any]) -> None:
    """A resource that is not registered gets the plain answer."""
    assert (await client.post("/", json=review(GPU_POD))).status == 404
    assert (await client.get(WORKLOADS_PATH)).status == 405


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3s", 3), ("2.5s", 2.5), ("500ms", 0.5), ("1m", 30), ("", 3), ("soon", 3), ("-1s", 3), ("1h", 3)],
)
def test_the_timeout_of_the_query_is_honoured(text: str, seconds: float) -> None:
    """As Go prints a duration; the longest that a registration may name is 30 s."""
    assert timeout_seconds(text) == seconds


async def test_a_patch_that_does_not_apply_is_never_sent(
    hook: Webhook, client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server would reject the pod; so it is left alone, told and counted."""

    async def broken(*_: object) -> Decision:
        return Decision(Verdict.INJECT, Reason.RUNTIME_CLASS, (add("/spec/nowhere/0", 1),))

    monkeypatch.setattr(app, "admit_workload", broken)
    response = (await (await client.post(WORKLOADS_PATH, json=review(GPU_POD))).json())["response"]
    assert (response["allowed"], "patch" in response) == (True, False)
    assert response["auditAnnotations"] == {"decision": "leave/patch-refused"}
    assert "does not apply" in response["warnings"][0]
    assert hook.observer.metrics.registry.get_sample_value("gpu_injector_patches_refused_total") == 1


async def test_our_own_failure_answers_500(
    hook: Webhook, client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then failurePolicy decides, and Ignore lets the pod be created as it came."""

    async def bug(*_: object) -> Decision:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "admit_workload", bug)
    assert (await client.post(WORKLOADS_PATH, json=review(GPU_POD))).status == 500
    assert counted(hook, "500") == 1


async def test_a_draining_server_answers_and_closes(hook: Webhook, client: TestClient[Any, Any]) -> None:
    """Requests that come after SIGTERM are served, each on its last connection."""
    hook.draining.set()
    response = await client.post(WORKLOADS_PATH, json=review(GPU_POD))
    assert (response.status, response.headers["Connection"]) == (200, "close")


@dataclasses.dataclass
class SparseView:
    """A view that lacks an object until it is looked for."""

    view: ClusterView
    full: ClusterView
    age: float
    answers: bool = True
    looks: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def object_age_seconds(self, kind: str, name: str) -> float:
        """Return the age; zero for what was looked for."""
        return 0.0 if self.answers and (kind, name) in self.looks else self.age

    def oldest_age_seconds(self) -> float:
        """Return the age."""
        return self.age

    async def look(self, kind: str, name: str, timeout_seconds: float) -> bool:
        """Find the one kind in full."""
        assert timeout_seconds == 0.3
        self.looks.append((kind, name))
        if self.answers:
            self.view = dataclasses.replace(self.view, **{kind: getattr(self.full, kind)})
        return self.answers


FULL = ClusterView({"nvidia": RuntimeClass("nvidia", "nvidia")}, {"ml": {"gpu-injector.io/inject": "enabled"}})
NO_NAMESPACE = ClusterView(FULL.runtime_classes, {})
NO_CLASS = ClusterView({}, FULL.namespaces)
CLASS_LOOK, NAMESPACE_LOOK = ("runtime_classes", "nvidia"), ("namespaces", "ml")


@pytest.mark.parametrize(
    ("view", "age", "answers", "word", "looks"),
    [
        (NO_NAMESPACE, 5, True, "inject/runtime-class", [NAMESPACE_LOOK]),
        (NO_NAMESPACE, 5, False, "leave/namespace-unknown", [NAMESPACE_LOOK]),
        (NO_NAMESPACE, 0.5, True, "leave/namespace-unknown", []),
        (NO_CLASS, 5, True, "inject/runtime-class", [CLASS_LOOK]),
        (NO_CLASS, 5, False, "leave/runtime-class-missing", [CLASS_LOOK]),
        (NO_CLASS, 0.5, True, "leave/runtime-class-missing", []),
        (FULL, 91, True, "inject/runtime-class", [CLASS_LOOK]),
        (FULL, 91, False, "leave/view-stale", [CLASS_LOOK]),
        (FULL, 89, False, "inject/runtime-class", []),
        (ClusterView(), 91, True, "inject/runtime-class", [NAMESPACE_LOOK, CLASS_LOOK]),
    ],
)
async def test_what_the_view_lacks_is_looked_for_once(
    view: ClusterView,
    age: float,
    answers: bool,  # noqa: FBT001
    word: str,
    looks: list[tuple[str, str]],
) -> None:
    """One bounded GET, never for what a watch told within the last second."""
    source = SparseView(view, FULL, age, answers)
    async with TestClient(TestServer(webhook(source).application())) as client:
        answer = await (await client.post(WORKLOADS_PATH, json=review(GPU_POD))).json()
    assert answer["response"]["auditAnnotations"]["decision"] == word
    assert source.looks == looks


async def test_one_log_line_tells_a_decision(client: TestClient[Any, Any]) -> None:
    """Keyed by the review's uid, with the words of annotation and metric."""
    pod = GPU_POD | {
        "metadata": {
            "generateName": "model-",
            "ownerReferences": [{"kind": "ReplicaSet", "name": "model-1", "controller": True}],
        }
    }
    with capture_logs() as logs:
        await client.post(WORKLOADS_PATH, json=review(pod))
    (line,) = logs
    told = {key: line[key] for key in ("event", "uid", "namespace", "name", "owner", "verdict", "reason", "dryRun")}
    assert told == {
        "event": "decided",
        "uid": review({})["request"]["uid"],
        "namespace": "ml",
        "name": "model-",
        "owner": "ReplicaSet/model-1",
        "verdict": "inject",
        "reason": "runtime-class",
        "dryRun": False,
    }


async def test_the_admin_side_tells_health_metrics_and_decisions(hook: Webhook, client: TestClient[Any, Any]) -> None:
    """Probes and metrics name no workload; the decisions, on a listener of their own, do."""
    await client.post(WORKLOADS_PATH, json=review(GPU_POD))
    why = "view not synced"
    source = FixedView(read_view(GOLDEN / "view.yaml"))
    admin = Admin(hook.observer, Replica(name="one", policy=Policy(), source=source, readiness=lambda: why))
    async with TestClient(TestServer(admin.probes())) as probes, TestClient(TestServer(admin.decisions())) as page:
        assert (await probes.get("/healthz")).status == 200
        unready = await probes.get("/readyz")
        assert (unready.status, await unready.text()) == (503, "not ready: view not synced\n")
        why = ""
        assert (await probes.get("/readyz")).status == 200
        metrics = await (await probes.get("/metrics")).text()
        assert 'gpu_injector_decisions_total{reason="runtime-class",verdict="inject"} 1.0' in metrics
        assert f'{CALLED}{{code="200",webhook="{WORKLOADS_PATH}"}} 1.0' in metrics
        assert "model" not in metrics
        assert (await probes.get("/decisions")).status == 404
        (row,) = await (await page.get("/decisions")).json()
        assert (row["namespace"], row["name"], row["verdict"]) == ("ml", "model", "inject")


async def test_a_hundred_connections_are_served_at_once(hook: Webhook, client: TestClient[Any, Any]) -> None:
    """Each review gets the answer with its own uid."""
    # A machine that is busy with other tests would be told so by some of the answers.
    hook.load = Load(clock=lambda: 0.0)
    async with ClientSession(connector=TCPConnector(limit=100)) as session:

        async def ask(number: int) -> str:
            url = client.make_url(WORKLOADS_PATH)
            async with session.post(url, json=review(GPU_POD, uid=str(number))) as response:
                uid: str = (await response.json())["response"]["uid"]
                return uid

        assert await asyncio.gather(*map(ask, range(100))) == [str(number) for number in range(100)]
    assert counted(hook, "200") == 100


INJECTED: dict[str, Any] = {
    "metadata": {"name": "model", "annotations": {"gpu-injector.io/decision": "inject/runtime-class"}},
    "spec": {**GPU_POD["spec"], "runtimeClassName": "nvidia"},
}


def debugged(*containers: dict[str, Any], pod: dict[str, Any] = INJECTED) -> dict[str, Any]:
    """Return an injected pod with ephemeral containers."""
    return {**pod, "spec": {**pod["spec"], "ephemeralContainers": list(containers)}}


OLD, NEW = {"name": "debugger-1", "image": "cuda"}, {"name": "debugger-2", "image": "cuda"}
VOID = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}


@pytest.mark.parametrize(
    ("pod", "namespace", "decision", "operations"),
    [
        (
            debugged(OLD, NEW),
            "ml",
            "inject/runtime-class",
            [{"op": "add", "path": "/spec/ephemeralContainers/1/env", "value": [VOID]}],
        ),
        (debugged(OLD, NEW | {"env": [VOID]}), "ml", "inject/runtime-class", []),
        (debugged(OLD, NEW | {"envFrom": [{"secretRef": {"name": "s"}}]}), "ml", "inject/runtime-class", []),
        (debugged(OLD), "ml", "inject/runtime-class", []),
        (debugged(OLD, NEW, pod=GPU_POD), "ml", "leave/not-applicable", []),
        (debugged(OLD, NEW), "web", "leave/not-opted-in", []),
        (debugged(OLD, NEW), "trial", "inject/runtime-class", []),
    ],
)
async def test_a_new_ephemeral_container_of_an_injected_pod_gets_void(
    client: TestClient[Any, Any],
    pod: dict[str, Any],
    namespace: str,
    decision: str,
    operations: list[dict[str, Any]],
) -> None:
    """What is there already cannot be changed any more, and nothing else is touched."""
    body = review(pod, namespace, operation="UPDATE", subResource="ephemeralcontainers", oldObject=debugged(OLD))
    response = (await (await client.post(EPHEMERAL_PATH, json=body)).json())["response"]
    assert response["auditAnnotations"] == {"decision": decision}
    assert (json.loads(base64.b64decode(response["patch"])) if "patch" in response else []) == operations


DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "model"},
    "spec": {"template": {"metadata": {}, "spec": {**GPU_POD["spec"], "hostUsers": False}}},
}
WARNING = "gpu-injector: hostUsers: false cannot run under the NVIDIA runtime; pod left alone, it may see no GPU"


@pytest.mark.parametrize(
    ("item", "before", "warnings"),
    [
        (DEPLOYMENT, None, [WARNING]),
        (DEPLOYMENT, {**DEPLOYMENT, "spec": {}}, [WARNING]),
        (DEPLOYMENT, DEPLOYMENT, []),
        (DEPLOYMENT | {"metadata": {"ownerReferences": [{"kind": "Rollout", "controller": True}]}}, None, []),
        ({**DEPLOYMENT, "spec": {"template": {"spec": GPU_POD["spec"]}}}, None, []),
        ({"kind": "CronJob", "spec": {"jobTemplate": {"spec": DEPLOYMENT["spec"]}}}, None, [WARNING]),
    ],
)
async def test_a_template_is_warned_about_and_never_patched(
    client: TestClient[Any, Any], item: dict[str, Any], before: dict[str, Any] | None, warnings: list[str]
) -> None:
    """The user who applies it reads the warning of its pods."""
    body = review(item, resource={"group": "apps", "version": "v1", "resource": "deployments"}, oldObject=before)
    response = (await (await client.post(TEMPLATES_PATH, json=body)).json())["response"]
    assert response == {"uid": body["request"]["uid"], "allowed": True, "warnings": warnings}
