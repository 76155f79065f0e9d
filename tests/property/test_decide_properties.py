"""What holds for every pod. Each property is proven by a sabotage that breaks it (tests/sabotage/decide.toml)."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.patched import patched
from support.pods import CPU_CONTAINERS, JSON, VIEWS, gpu_pods, odd_pods

from webhook.decide.decision import RequestInfo, Verdict
from webhook.decide.pod import containers
from webhook.decide.workload.decide import decide
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, RuntimeClass

FACTS = RequestInfo(namespace="ml")
OPEN = ClusterView({"nvidia": RuntimeClass("nvidia", "nvidia")}, {"ml": {"gpu-injector.io/inject": "enabled"}})
POLICIES = st.builds(
    Policy, driver_capabilities=st.sampled_from(["", "compute"]), add_toleration=st.booleans(), opt_out=st.booleans()
)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every scalar of a document with its place."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, f"{path}/{key}")
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from leaves(child, f"{path}/{index}")
    else:
        yield path, value


@given(gpu_pods(), POLICIES, VIEWS)
def test_every_operation_applies(pod: dict[str, Any], policy: Policy, view: ClusterView) -> None:
    """A patch that does not apply would get the pod rejected."""
    patched(pod, decide(pod, FACTS, policy, view))


@given(gpu_pods(), POLICIES, VIEWS)
def test_a_second_pass_changes_nothing(pod: dict[str, Any], policy: Policy, view: ClusterView) -> None:
    """The API server may call again (IfNeeded): the answer is the same, and there is nothing left to do."""
    first = decide(pod, FACTS, policy, view)
    second = decide(patched(pod, first), FACTS, policy, view)
    assert (second.word, second.operations) == (first.word, ())


@given(gpu_pods(), st.lists(CPU_CONTAINERS, min_size=1, max_size=2))
def test_a_container_added_later_gets_what_it_lacks(pod: dict[str, Any], added: list[dict[str, Any]]) -> None:
    """Another webhook's sidecar is treated as if the author had written it."""
    first = patched(pod, decide(pod, FACTS, Policy(), OPEN))
    both = copy.deepcopy(pod)
    for item in (first, both):
        item["spec"]["containers"] = [*item["spec"]["containers"], *copy.deepcopy(added)]
    assert patched(first, decide(first, FACTS, Policy(), OPEN)) == patched(both, decide(both, FACTS, Policy(), OPEN))


@given(gpu_pods(), POLICIES, VIEWS)
def test_the_authors_fields_are_kept(pod: dict[str, Any], policy: Policy, view: ClusterView) -> None:
    """Whatever the author wrote, known to us or not, stands in the result where it stood; null may become a value."""
    result = dict(leaves(patched(pod, decide(pod, FACTS, policy, view))))
    for path, value in leaves(pod):
        if value is not None and (path, value) != ("/spec/runtimeClassName", ""):
            assert result[path] == value


@given(gpu_pods())
def test_no_container_without_a_request_sees_a_gpu(pod: dict[str, Any]) -> None:
    """Under the NVIDIA class every other container has a value for NVIDIA_VISIBLE_DEVICES, or may have one."""
    decision = decide(pod, FACTS, Policy(), OPEN)
    if decision.verdict is Verdict.INJECT:
        result = patched(pod, decision)
        assert result["spec"]["runtimeClassName"] == "nvidia"
        for container in containers(result, Policy()):
            assert container.requests_gpu or container.defines("NVIDIA_VISIBLE_DEVICES")


@given(gpu_pods(), POLICIES, VIEWS)
def test_without_a_gpu_there_is_no_patch(pod: dict[str, Any], policy: Policy, view: ClusterView) -> None:
    """The same pod without its requests is not touched."""
    for field in ("containers", "initContainers"):
        for container in pod["spec"].get(field) or []:
            container.pop("resources", None)
    assert decide(pod, FACTS, policy, view).operations == ()


@given(odd_pods() | st.dictionaries(st.text(max_size=8), JSON, max_size=3), VIEWS)
def test_any_json_object_is_decided(pod: dict[str, Any], view: ClusterView) -> None:
    """Nothing that JSON can say makes the decision fail, and what it answers applies."""
    patched(pod, decide(pod, FACTS, Policy(add_toleration=True, driver_capabilities="compute"), view))


@given(gpu_pods())
def test_the_pod_is_not_touched_by_deciding(pod: dict[str, Any]) -> None:
    """The pod that came in is the pod that the author wrote, also after the decision."""
    before = copy.deepcopy(pod)
    decide(pod, FACTS, Policy(add_toleration=True), OPEN)
    assert pod == before
