"""The registration on the API server of Kubernetes 1.36, of which nothing else is built."""

import pytest

from e2e.installation import WORKLOADS, Webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import DISABLED, ENABLED, UNLABELLED
from e2e.pods import assert_warned, container, decision_of, pod, runtime_class_of

pytestmark = pytest.mark.parametrize("minor", ["1.36"], indirect=True, scope="session")


def test_the_version_is_the_one_under_test(kubectl: Kubectl) -> None:
    """Its controllers and kubectl are of other versions."""
    assert kubectl.run("version", "-o", "json").stdout.count('"gitVersion": "v1.36.') == 1


@pytest.mark.usefixtures("webhook")
def test_a_gpu_pod_is_patched(kubectl: Kubectl) -> None:
    """The patch applies, and its warning, if any, arrives."""
    created = kubectl.create(pod(ENABLED))
    assert (decision_of(created.object), runtime_class_of(created.object)) == ("inject/runtime-class", "nvidia")
    assert_warned(created.warnings, "")


@pytest.mark.parametrize("written", [pod(ENABLED, container()), pod(UNLABELLED), pod(DISABLED)])
def test_other_pods_are_not_sent(kubectl: Kubectl, webhook: Webhook, written: dict[str, object]) -> None:
    """Selectors and matchConditions work: the webhook is not called at all."""
    before = webhook.calls(WORKLOADS)
    created = kubectl.create(written)
    assert (decision_of(created.object), created.warnings) == (None, [])
    assert webhook.calls(WORKLOADS) == before


@pytest.mark.usefixtures("webhook")
def test_a_pod_template_is_warned_about(kubectl: Kubectl) -> None:
    """The validating registration, with all its conditions: NVIDIA's runtime cannot serve such a pod."""
    spec = {**pod(ENABLED)["spec"], "hostUsers": False}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "model", "namespace": ENABLED},
        "spec": {
            "selector": {"matchLabels": {"app": "model"}},
            "template": {"metadata": {"labels": {"app": "model"}}, "spec": spec},
        },
    }
    assert_warned(kubectl.create(deployment, "--dry-run=server").warnings, "hostUsers: false")
