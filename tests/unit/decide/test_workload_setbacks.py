"""Which Events keep a GPU pod from being patched again, and which do not."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
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
    of_namespace,
    refusal,
)
from support.patched import patched
from support.setback_world import NO_HANDLER

from webhook.decide.decision import RequestInfo, TemplateOwner
from webhook.decide.explain import explain
from webhook.decide.workload.decide import decide
from webhook.policy.model import Overrule, Policy, SetbackRules
from webhook.view.admission_controls import PodAdmissionPolicy
from webhook.view.event_projection import failures_of
from webhook.view.view import ClusterView, RuntimeClass

NODE = (INJECT.nodes or {})["gpu-1"]
PROVEN = replace(NODE, handlers=frozenset({"", "nvidia"}))
QUOTA = 'pods "x" is forbidden: exceeded quota: q, requested: limits.cpu=9, used: limits.cpu=8, limited: limits.cpu=10'
DENIED = "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: not here"


def with_events(view: ClusterView, *events: dict[str, Any]) -> ClusterView:
    """Return a view with what these Events of the namespace show."""
    return replace(view, workload_failures={NAMESPACE: failures_of(events, NAMESPACE, None)})


def word(view: ClusterView, *events: dict[str, Any], pod: dict[str, Any] | None = None, **policy: Any) -> str:  # noqa: ANN401
    """Return the decision on the next pod of the controller."""
    return decided(pod or gpu_pod(), with_events(view, *events), Policy(**policy)).word


CONTAINER = {"kind": "Pod", "namespace": NAMESPACE, "name": "model-7c9d-abcde", "uid": "pod-1"}
OF_ANOTHER = {**CONTAINER, "name": "train-5f6b-abcde"}
COUNTED: Mapping[str, tuple[ClusterView, dict[str, Any]]] = {
    "containerd": (INJECT, event(NO_HANDLER)),
    "containerd, alike": (INJECT, event(f"(combined from similar events): {NO_HANDLER}")),
    "CRI-O": (INJECT, event("failed to find runtime handler nvidia from runtime list map[runc:0xc0]")),
    "Docker": (INJECT, event('RuntimeHandler "nvidia" not supported')),
    "binary missing": (INJECT, event("fork/exec /usr/bin/nvidia-container-runtime: no such file or directory")),
    "runtime failed": (INJECT, event("nvidia-container-runtime: failed to load config: error")),
    "Kyverno and the class": (INJECT, refusal(NO_CLASS)),
    "a training operator": (INJECT, {**refusal(NO_CLASS), "reason": "FailedCreatePod"}),
    "KubeRay": (MOUNT, {**refusal(REFUSED), "reason": "FailedToCreateWorkerPod"}),
    "class not found": (INJECT, refusal('pod rejected: RuntimeClass "nvidia" not found')),
    "overhead of the class": (INJECT, refusal("pods is forbidden: Pod's Overhead doesn't match RuntimeClass's")),
    "our variable": (INJECT, refusal("webhook denied: env NVIDIA_VISIBLE_DEVICES is reserved")),
    "unknown policies": (replace(INJECT, admission_policies=None), refusal(DENIED)),
    "CDI hook missing": (
        INJECT,
        event("fork/exec /usr/bin/nvidia-cdi-hook: no such file or directory", "Failed", involvedObject=CONTAINER),
    ),
    "CDI device unresolved": (
        INJECT,
        event("unresolvable CDI devices management.nvidia.com/gpu=all", "Failed", involvedObject=CONTAINER),
    ),
    "library missing": (MOUNT, event(NO_FILE, "FailedMount")),
    "ValidatingAdmissionPolicy": (MOUNT, refusal(REFUSED)),
    "PodSecurity": (MOUNT, refusal('violates PodSecurity "baseline:latest": hostPath volumes (volume "x")')),
    "SCC": (MOUNT, refusal("unable to validate against any security context constraint: hostPath is not allowed")),
    "validation": (MOUNT, refusal('Pod "x" is invalid: spec.volumes[3].name: Duplicate value: "gpu-injector-libcuda"')),
    "a place taken": (MOUNT, refusal(f'Pod "x" is invalid: mountPath: Invalid value: "{LIBRARY}": must be unique')),
    "place not mountable": (
        MOUNT,
        event(f'error mounting "x" to rootfs at "{LIBRARY}": read-only', "Failed", involvedObject=CONTAINER),
    ),
}
NOT_COUNTED: Mapping[str, tuple[ClusterView, dict[str, Any]]] = {
    "another handler": (INJECT, event(NO_HANDLER.replace("nvidia", "kata"))),
    "a network": (INJECT, event('failed to set up sandbox: plugin type="calico" failed')),
    "the libraries' Event for the class": (INJECT, event(NO_FILE, "FailedMount")),
    "the class's Event for the libraries": (MOUNT, event(NO_HANDLER)),
    "an author's file": (MOUNT, event(NO_FILE.replace("gpu-injector-libcuda-so-1", "data"), "FailedMount")),
    "a file of an older policy": (MOUNT, event(NO_FILE.replace(LIBRARY, "/opt/libcuda.so.1"), "FailedMount")),
    "another controller": (MOUNT, refusal(uid="rs-2")),
    "a quota": (MOUNT, refusal(QUOTA)),
    "a quota on GPUs": (INJECT, refusal("exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: 1")),
    "a webhook that names nothing of ours": (MOUNT, refusal('admission webhook "x" denied the request: no label')),
    "a policy that reads nothing of ours": (
        replace(INJECT, admission_policies={"p": PodAdmissionPolicy("p")}),
        refusal(DENIED),
    ),
    "the driver": (INJECT, event("nvidia-container-cli: driver error", "Failed", involvedObject=CONTAINER)),
    "another controller's container": (
        INJECT,
        event("unresolvable CDI devices nvidia.com/gpu=0", "Failed", involvedObject=OF_ANOTHER),
    ),
    "about another namespace": (INJECT, of_namespace(event(NO_HANDLER), NAMESPACE, about="kube-system")),
    "of another namespace": (INJECT, of_namespace(event(NO_HANDLER), ELSEWHERE)),
    "of another namespace, about ours": (INJECT, of_namespace(event(NO_HANDLER), ELSEWHERE, about=NAMESPACE)),
    "without a UID": (INJECT, event(NO_HANDLER, involvedObject={"kind": "Pod", "namespace": NAMESPACE})),
    "another reason": (INJECT, event(NO_HANDLER, "Ready")),
}


@pytest.mark.parametrize(("view", "item"), COUNTED.values(), ids=COUNTED)
def test_a_failure_of_the_patch_leaves_the_next_pod_alone(view: ClusterView, item: dict[str, Any]) -> None:
    """Never with another patch in place of the failed one; the Event's text is in the evidence and the warning."""
    decision = decided(gpu_pod(), with_events(view, item))
    assert decision.word == "leave/setback"
    assert " ".join(item["message"].split())[:300] in decision.evidence[0]
    assert "pod left alone" in decision.warnings[0]
    assert {operation["path"] for operation in decision.operations} == {
        "/metadata/annotations/gpu-injector.io~1decision"
    } or [operation["path"] for operation in decision.operations] == ["/metadata/annotations"]


@pytest.mark.parametrize(("view", "item"), NOT_COUNTED.values(), ids=NOT_COUNTED)
def test_other_events_change_nothing(view: ClusterView, item: dict[str, Any]) -> None:
    """The decision is the one without any Event, operations and evidence included."""
    assert decided(gpu_pod(), with_events(view, item)) == decided(gpu_pod(), view)


def test_the_policy_may_ignore_events() -> None:
    """Then nothing is a setback."""
    assert word(INJECT, event(), setbacks=SetbackRules(workloads=False)) == "inject/runtime-class"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "leave/setback"),
        ({"source": {"host": "gpu-1"}}, "inject/runtime-class"),
        ({"source": {"host": "gone"}}, "inject/runtime-class"),
    ],
    ids=["node unknown, handler not reported", "its node reports the handler now", "every candidate reports it"],
)
def test_a_handler_that_nodes_report_now_is_newer_than_an_event(changes: dict[str, Any], expected: str) -> None:
    """So a node that was repaired gets its pods at once."""
    view = INJECT if not changes else replace(INJECT, nodes={"gpu-1": PROVEN})
    assert word(view, event(**changes)) == expected


def test_a_node_that_the_pod_cannot_run_on_says_nothing() -> None:
    """The pod selects other nodes."""
    other = replace(NODE, name="gpu-2", labels={"pool": "b"})
    view = replace(INJECT, nodes={"gpu-1": NODE, "gpu-2": other})
    pod = gpu_pod()
    pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "gpu-1"}
    assert word(view, event(source={"host": "gpu-2"}), pod=pod) == "inject/runtime-class"
    assert word(view, event(source={"host": "gpu-1"}), pod=pod) == "leave/setback"


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("pod tolerations conflict with its namespace whitelist", {"tolerations": ({"operator": "Exists"},)}),
        (
            "pod node label selector conflicts with its namespace's",
            {"node_selector": {"kubernetes.io/hostname": "gpu-1"}},
        ),
        (QUOTA, {"overhead": {"cpu": "250m"}}),
    ],
    ids=["tolerations", "node selector", "overhead"],
)
def test_what_the_class_adds_may_be_refused(message: str, fields: dict[str, Any]) -> None:
    """The same refusal means nothing where the class adds nothing of the kind."""
    view = replace(INJECT, runtime_classes={"nvidia": RuntimeClass("nvidia", "nvidia", **fields)})
    overruled: dict[str, Any] = {"overrule": (Overrule.CLASS_OVERHEAD,)}
    assert word(view, **overruled) == "inject/runtime-class"
    assert word(view, refusal(message), **overruled) == "leave/setback"
    assert word(INJECT, refusal(message)) == "inject/runtime-class"


def test_a_policy_that_reads_what_is_mounted_counts_whatever_it_says() -> None:
    """Its message may be any text."""
    reads = PodAdmissionPolicy("p", frozenset({"volumes"}))
    assert word(replace(MOUNT, admission_policies={"p": reads}), refusal(DENIED)) == "leave/setback"


def test_a_pod_without_a_controller_is_not_refused_for_others() -> None:
    """Its author reads the refusal; failures on nodes count for it as well."""
    assert word(MOUNT, refusal(), pod=gpu_pod(**ALONE)) == "mount/runtime-class-missing"
    assert word(MOUNT, event(NO_FILE, "FailedMount"), pod=gpu_pod(**ALONE)) == "leave/setback"


@pytest.mark.parametrize(
    ("view", "item"), [(INJECT, event()), (MOUNT, event(NO_FILE, "FailedMount"))], ids=["class", "mount"]
)
def test_a_pod_that_is_patched_already_keeps_its_patch(view: ClusterView, item: dict[str, Any]) -> None:
    """The second call for one pod, and a pod that is blocked: taking the patch away would be another one."""
    first = decided(gpu_pod(), view)
    again = decided(patched(gpu_pod(), first), with_events(view, item))
    assert (again.word, again.operations) == (first.word, ())


OWNERS = {
    "Deployment": ({"kind": "ReplicaSet", "name": "model-7c9d"}, TemplateOwner("Deployment", "model")),
    "ReplicaSet": ({"kind": "ReplicaSet", "name": "model-7c9d"}, TemplateOwner("ReplicaSet", "model-7c9d", "rs-1")),
    "CronJob": ({"kind": "Job", "name": "model-29000000"}, TemplateOwner("CronJob", "model")),
    "Job to be created": ({"kind": "Job", "name": "model"}, TemplateOwner("Job", "model")),
}
OTHERS = {
    "Deployment of a longer name": (
        {"kind": "ReplicaSet", "name": "model-b-7c9d"},
        TemplateOwner("Deployment", "model"),
    ),
    "another UID": ({"kind": "ReplicaSet", "name": "model-7c9d"}, TemplateOwner("ReplicaSet", "model-7c9d", "rs-9")),
    "another kind": ({"kind": "Job", "name": "model-7c9d"}, TemplateOwner("Deployment", "model")),
}


@pytest.mark.parametrize(
    ("about", "owner", "expected"),
    [
        *((*row, "leave/setback") for row in OWNERS.values()),
        *((*row, "mount/runtime-class-missing") for row in OTHERS.values()),
    ],
    ids=[*OWNERS, *OTHERS],
)
def test_a_template_is_that_of_the_controller_that_was_refused(
    about: dict[str, str], owner: TemplateOwner, expected: str
) -> None:
    """``preview`` and ``why`` decide on templates."""
    asked = RequestInfo(NAMESPACE, is_template=True, template_owner=owner)
    template = {"spec": gpu_pod()["spec"]}
    assert decide(template, asked, Policy(), with_events(MOUNT, refusal(**about))).word == expected


@pytest.mark.parametrize(
    ("view", "item"), [(INJECT, event()), (MOUNT, event(NO_FILE, "FailedMount"))], ids=["class", "mount"]
)
def test_it_is_explained_with_what_resolves_it(view: ClusterView, item: dict[str, Any]) -> None:
    """The rule names a key of the policy or a label, and how to try again at once."""
    seen = with_events(view, item)
    steps = [step for step in explain(gpu_pod(), RequestInfo(NAMESPACE), Policy(), seen) if step.result]
    (step,) = steps
    assert step.name in ("class setback", "mount setback")
    assert any("policy" in line or "gpu-injector.io/inject" in line for line in step.evidence)
    assert any(
        line.endswith(f"kubectl delete events -n ml --field-selector reason={item['reason']}") for line in step.evidence
    )


@pytest.mark.parametrize(
    ("view", "line"),
    [
        (INJECT, "no Events of the namespace were read"),
        (with_events(INJECT), "0 Events of the namespace name a failure; none concerns this patch of this pod"),
    ],
)
def test_it_is_said_whether_events_were_read(view: ClusterView, line: str) -> None:
    """Not read is not the same as none."""
    steps = {step.name: step for step in explain(gpu_pod(), RequestInfo(NAMESPACE), Policy(), view)}
    assert steps["class setback"].evidence == (line,)
