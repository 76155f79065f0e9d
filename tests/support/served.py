"""A webhook as the tests of its edge meet it, and the reviews that they send it."""

from typing import Any

from support.golden_cases import GOLDEN, read_view
from webhook.policy.model import Policy
from webhook.server.app import WORKLOADS_PATH, Webhook
from webhook.server.decide_live import FixedView, ViewSource
from webhook.server.decision_log import Metrics, Observer, open_log

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
    observer = Observer(open_log(), Metrics.create())
    return Webhook(policy or Policy(), source or FixedView(read_view(GOLDEN / "view.yaml")), observer)


def counted(hook: Webhook, code: str, path: str = WORKLOADS_PATH) -> float:
    """Return how often the path answered with a status."""
    return hook.observer.metrics.registry.get_sample_value(CALLED, {"webhook": path, "code": code}) or 0.0
