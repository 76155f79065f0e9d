"""Any Events: what those of one namespace may change, and what they never change. See tests/sabotage/workloads.toml."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.failed_workloads import (
    ALONE,
    ELSEWHERE,
    INJECT,
    LIBRARY,
    MOUNT,
    NAMESPACE,
    NO_CLASS,
    NO_FILE,
    REFUSED,
    decided,
    event,
    gpu_pod,
)
from support.golden_cases import GOLDEN
from support.setback_world import NO_HANDLER

from webhook.kube.manifests import read_documents
from webhook.policy.model import Policy
from webhook.view.projections import view_of
from webhook.view.view import ClusterView

Json = dict[str, Any]
MESSAGES = [
    NO_HANDLER,
    NO_FILE,
    REFUSED,
    NO_CLASS,
    f'error mounting "x" to rootfs at "{LIBRARY}": read-only',
    "unresolvable CDI devices nvidia.com/gpu=0",
    "fork/exec /usr/bin/nvidia-container-runtime: no such file or directory",
    "Back-off pulling image",
]
REASONS = ["FailedCreatePodSandBox", "FailedMount", "FailedCreate", "Failed", "BackOff"]
TIMES = st.sampled_from(["2026-11-27T11:59:00Z", "2026-11-27T09:00:00Z", "2099-01-01T00:00:00Z", "never", None])
PLACES = st.sampled_from([NAMESPACE, ELSEWHERE, "kube-system"])
ABOUT = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["Pod", "ReplicaSet"]),
        "name": st.sampled_from(["model-7c9d-abcde", "model-7c9d", "model"]),
        "namespace": PLACES,
        "uid": st.sampled_from(["rs-1", "pod-1", "node-1"]),
    }
)
EVENTS = st.fixed_dictionaries(
    {
        "apiVersion": st.just("v1"),
        "kind": st.just("Event"),
        "metadata": st.fixed_dictionaries({"name": st.just("e"), "namespace": PLACES}),
        "involvedObject": ABOUT,
        "reason": st.sampled_from(REASONS),
        "message": st.sampled_from(MESSAGES) | st.text(max_size=20),
        "source": st.sampled_from([{}, {"host": "gpu-1"}, {"host": "elsewhere"}]),
        "lastTimestamp": TIMES,
    }
)
PODS = st.sampled_from([gpu_pod(), gpu_pod(**ALONE)])
CASES = ("inject-handler-unknown", "mount")
POLICIES = st.sampled_from([Policy(), Policy(fallback="on")])


def objects(case: str) -> list[Json]:
    """Return the objects of a golden case's view, with the time at which its node was seen."""
    text = (GOLDEN / case / "view.yaml").read_text()
    found = [document.content for document in read_documents(text, case)]
    for item in found:
        if item["kind"] == "Node":
            written = [{"type": "MemoryPressure", "status": "False", "lastHeartbeatTime": "2026-11-27T12:00:00Z"}]
            item["status"]["conditions"] = written
    return found


OBJECTS = {case: objects(case) for case in CASES}
FAILED: Json = event(NO_HANDLER, lastTimestamp="2026-11-27T11:30:00Z")


def view(case: str, events: list[Json]) -> ClusterView:
    """Return the view of a file with some Events."""
    return view_of([*OBJECTS[case], *events])


def namespace_of(item: Json) -> str:
    """Return the namespace in which an Event was written."""
    return str(item["metadata"]["namespace"])


@given(st.lists(EVENTS, max_size=6), st.sampled_from(CASES), PODS, POLICIES)
def test_events_of_one_namespace_change_no_decision_in_another(
    events: list[Json], case: str, pod: Json, policy: Policy
) -> None:
    """Whatever they are about, and whatever time they name."""
    own = [item for item in events if namespace_of(item) == NAMESPACE]
    with_all, with_own = (decided(pod, view(case, some), policy) for some in (events, own))
    assert with_all == with_own


@given(st.lists(EVENTS.filter(lambda item: namespace_of(item) != NAMESPACE), min_size=1, max_size=3))
def test_events_of_one_namespace_end_no_failure_of_another(events: list[Json]) -> None:
    """Nor does the time that a user writes into them, by which failures grow old."""
    assert decided(gpu_pod(), view("inject-handler-unknown", [FAILED, *events])).word == "leave/setback"


@given(st.lists(EVENTS, max_size=6), st.sampled_from(CASES), PODS, POLICIES)
def test_events_only_take_a_patch_away(events: list[Json], case: str, pod: Json, policy: Policy) -> None:
    """The decision is the one without them, or the pod is left alone: no other patch follows a failed one."""
    without, seen = (decided(pod, view(case, some), policy) for some in ([], events))
    assert seen == without or seen.word == "leave/setback"


@given(st.lists(EVENTS, max_size=6), st.sampled_from(CASES), POLICIES)
def test_events_change_nothing_where_the_policy_ignores_them(events: list[Json], case: str, policy: Policy) -> None:
    """`setbacks.workloads: false`."""
    off = policy.model_copy(update={"setbacks": policy.setbacks.model_copy(update={"workloads": False})})
    assert decided(gpu_pod(), view(case, events), off) == decided(gpu_pod(), view(case, []), off)


def test_these_events_can_be_setbacks() -> None:
    """The properties above are about something."""
    about = {"kind": "Pod", "namespace": NAMESPACE, "name": "x", "uid": "pod-1"}
    item = {"kind": "Event", "metadata": {"namespace": NAMESPACE}, "involvedObject": about}
    sandbox = {**item, "reason": "FailedCreatePodSandBox", "message": NO_HANDLER}
    assert decided(gpu_pod(), view("inject-handler-unknown", [sandbox])).word == "leave/setback"
    volume = {**item, "reason": "FailedMount", "message": NO_FILE}
    assert decided(gpu_pod(), view("mount", [volume])).word == "leave/setback"
    old = {**sandbox, "lastTimestamp": "2026-11-27T10:59:00Z"}
    assert decided(gpu_pod(), view("inject-handler-unknown", [old])).word == "inject/runtime-class"
    assert {INJECT.nodes is None, MOUNT.nodes is None} == {False}
