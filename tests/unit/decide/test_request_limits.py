"""What a request may contain is checked before objects are built from it, and read in linear time."""

from typing import Any

import pytest
from support.plugin_world import daemon_set, node, view

from webhook.decide import pod as pod_module
from webhook.decide.decision import RequestInfo
from webhook.decide.ephemeral import decide_ephemeral
from webhook.decide.plugin import context
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.plugin.unserved_plugins import CREATOR, next_pod
from webhook.decide.workload.decide import decide
from webhook.kube.quantity import QUANTITY, QUANTITY_LIMIT, is_positive
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, RuntimeClass

ENABLED = ClusterView({"nvidia": RuntimeClass("nvidia", "nvidia")}, {"ml": {"gpu-injector.io/inject": "enabled"}})
GPU = {"resources": {"limits": {"nvidia.com/gpu": 1}}}


@pytest.fixture
def no_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the construction of a container fail."""

    def build(*_: object) -> None:
        raise AssertionError

    for module in (pod_module, context):
        monkeypatch.setattr(module, "Container", build)


def many(count: int, **spec: Any) -> dict[str, Any]:  # noqa: ANN401  fields of a pod's spec
    """Return a pod with so many containers, the last of which requests a GPU."""
    return {"metadata": {}, "spec": {"containers": [*({"name": f"c{i}"} for i in range(count - 1)), GPU], **spec}}


@pytest.mark.usefixtures("no_containers")
@pytest.mark.parametrize(
    "pod", [many(251), many(1, initContainers=[{}] * 250), many(1, initContainers=[None] * 100_000)]
)
def test_no_container_is_built_beyond_the_limit(pod: dict[str, Any]) -> None:
    """All lists count, whatever is in them; the pod still says what was decided."""
    found = decide(pod, RequestInfo("ml"), Policy(), ENABLED)
    assert (found.word, len(found.operations)) == ("leave/too-large", 1)


@pytest.mark.usefixtures("no_containers")
def test_no_container_of_a_plugin_pod_is_built_beyond_the_limit() -> None:
    """Plugin pods are limited, too."""
    cluster = view(node("gpu-1"), daemon_set(initContainers=[{"name": "x"}] * 250))
    (owner,) = (cluster.daemon_sets or {}).values()
    facts = RequestInfo("kube-system", username=CREATOR)
    found = decide_plugin(next_pod(owner, "gpu-1"), facts, Policy(), cluster)
    assert found.word == "leave/too-large"


def test_ephemeral_containers_count_too() -> None:
    """An update that adds very many debug containers is left alone."""
    pod = many(1, runtimeClassName="nvidia", ephemeralContainers=[{"name": f"d{i}"} for i in range(250)])
    pod["metadata"] = {"annotations": {"gpu-injector.io/decision": "inject/runtime-class"}}
    facts = RequestInfo("ml", operation="UPDATE", subresource="ephemeralcontainers")
    found = decide_ephemeral(pod, {}, facts, Policy(), ENABLED)
    assert (found.word, found.operations) == ("leave/too-large", ())


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text", ["1" * 1_000_000 + "x", "1" * 500_000 + "." + "1" * 500_000 + "x"], ids=["digits", "point"]
)
def test_a_quantity_is_matched_in_linear_time(text: str) -> None:
    """The pattern alone: a quadratic one would take hours here. And no quantity is that long."""
    assert QUANTITY.fullmatch(text) is None
    assert not is_positive(text)
    assert is_positive("1" * QUANTITY_LIMIT)
    assert not is_positive("1" * (QUANTITY_LIMIT + 1))
