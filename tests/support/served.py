"""A webhook as the tests of its edge meet it, and the reviews that they send it."""

from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from support.golden_cases import GOLDEN, read_view
from webhook.names import WORKLOADS_PATH
from webhook.policy.model import Policy
from webhook.server.app import Webhook
from webhook.server.decide_live import FixedView, ViewSource
from webhook.server.decision_log import DecisionLog, open_log
from webhook.server.metrics import Metrics
from webhook.server.state import Replica
from webhook.view.view import ClusterView

GPU_POD: dict[str, Any] = {
    "metadata": {"name": "model"},
    "spec": {"containers": [{"name": "model", "resources": {"limits": {"nvidia.com/gpu": 1}}}]},
}
CALLED = "controller_runtime_webhook_requests_total"


def review(pod: object, namespace: str = "ml", **request: object) -> dict[str, Any]:
    """Return an AdmissionReview as the API server sends it."""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "11111111-2222-3333-4444-555555555555",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
            "object": pod,
            "dryRun": False,
            "options": {"kind": "CreateOptions"},
        }
        | request,
    }


def webhook(source: ViewSource | None = None, policy: Policy | None = None) -> Webhook:
    """Return a webhook over a view."""
    observer = DecisionLog(open_log(), Metrics.create())
    return Webhook(policy or Policy(), source or FixedView(read_view(GOLDEN / "view.yaml")), observer)


def pod(name: str, **spec: object) -> dict[str, Any]:
    """Return a GPU pod of that name."""
    return {"metadata": {"name": name}, "spec": {**GPU_POD["spec"], **spec}}


def replica(view: ClusterView | None = None, age: float = 3, **settings: Any) -> Replica:  # noqa: ANN401 - those of Replica
    """Return a replica over a view."""
    source = FixedView(view or read_view(GOLDEN / "view.yaml"), age)
    return Replica(name="gpu-injector-1", policy=Policy(), source=source, **settings)


async def decided(*pods: dict[str, Any], namespace: str = "ml", hook: Webhook | None = None) -> list[dict[str, Any]]:
    """Send pods to a webhook and return what it remembers, as ``/decisions`` has it."""
    hook = hook or webhook()
    async with TestClient(TestServer(hook.application())) as client:
        for number, pod in enumerate(pods):
            assert (await client.post(WORKLOADS_PATH, json=review(pod, namespace, uid=f"u-{number}"))).status == 200
    return [record.to_json() for record in hook.observer.recent]


def counted(hook: Webhook, code: str, path: str = WORKLOADS_PATH) -> float:
    """Return how often the path answered with a status."""
    return hook.observer.metrics.registry.get_sample_value(CALLED, {"webhook": path, "code": code}) or 0.0
