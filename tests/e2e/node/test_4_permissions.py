"""What the fallback needs the namespace's permission for: privileged containers where allowed, never elsewhere."""

import pytest

from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.node.namespaces import RESTRICTED
from e2e.node.setups import ON_1_33, ON_1_37
from e2e.node.workload import CONFINED, GPU_NODES, gpus_opened, probe, probing_pod, run_to_the_end, what_they_saw
from e2e.pods import assert_warned, decision_of

pytestmark = pytest.mark.usefixtures("plugin", "webhook")

POLICY = {"devices": "privileged"}


@ON_1_33
def test_privileged_devices_work_where_they_are_allowed(kubectl: Kubectl) -> None:
    """The container that requests one GPU gets the node's own ``/dev``, with every GPU; its sidecar gets nothing."""
    created, answers = run_to_the_end(kubectl, probing_pod(ENABLED, probe(gpus=1), probe("sidecar")))
    assert decision_of(created) == "mount/runtime-class-missing"
    assert answers["main"]["nvml"]["gpus"] == 2
    assert gpus_opened(answers["main"]) == list(GPU_NODES)
    assert gpus_opened(answers["sidecar"]) == []
    assert [one.get("securityContext") for one in created["spec"]["containers"]] == [{"privileged": True}, None]


@ON_1_33
def test_a_restricted_namespace_gets_a_warning_and_a_running_pod(kubectl: Kubectl) -> None:
    """Its pod would have been refused with our mounts; without them it runs, and has what the plugin gives it."""
    printed = kubectl.create(probing_pod(RESTRICTED, probe(gpus=1, securityContext=CONFINED)))
    assert_warned(printed.warnings, 'namespace enforces PodSecurity "restricted"')
    assert decision_of(printed.object) == "leave/pod-security"
    answers = what_they_saw(kubectl, printed.object)["main"]
    assert answers["nvml"] is None
    assert len(gpus_opened(answers)) == 1


@ON_1_37
def test_the_runtime_class_needs_no_permission(kubectl: Kubectl) -> None:
    """A restricted namespace's pod gets the class without a warning, and its GPU works."""
    printed = kubectl.create(probing_pod(RESTRICTED, probe(gpus=1, securityContext=CONFINED)))
    assert_warned(printed.warnings, "")
    assert decision_of(printed.object) == "inject/runtime-class"
    answers = what_they_saw(kubectl, printed.object)["main"]
    assert answers["nvml"]["gpus"] == 1
    assert len(gpus_opened(answers)) == 1
