"""Our annotation can be forged: it is kept only on a pod that contains exactly what would be written now."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonpatch
import orjson
import pytest
from support.golden_cases import GOLDEN, GoldenCase, read_case
from support.plugin_world import daemon_set, node, runtime_class, view

from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.plugin.unserved_plugins import CREATOR, next_pod
from webhook.decide.pod import Pod
from webhook.decide.workload.decide import decide
from webhook.names import DECISION_KEY
from webhook.policy.model import Policy

Json = dict[str, Any]
MOUNT_CASES = ["mount", "mount-handler-missing", "mount-handler-unknown", "mount-privileged-devices"]
MOUNT_CASES += ["mount-two-containers", "mount-privileged-beside-a-volume-of-that-name", "mount-libraries-and-binaries"]
WORDS = [f"{verdict}/{reason}" for verdict in (Verdict.MOUNT, Verdict.BOOTSTRAP, Verdict.INJECT) for reason in Reason]

LOOK_ALIKE = {
    "name": "gpu-injector-x",
    "hostPath": {"path": "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "type": "File"},
}
DEVICES = {"name": "gpu-injector-dev", "hostPath": {"path": "/dev"}}


def patched(pod: Pod, decision: Decision) -> Json:
    """Apply a decision as it is sent."""
    operations = orjson.loads(orjson.dumps(decision.operations))
    result: Json = jsonpatch.JsonPatch(operations).apply(copy.deepcopy(dict(pod)))
    return result


def case(name: str) -> GoldenCase:
    """Return a golden case."""
    return read_case(GOLDEN / name)


def again(pod: Pod, of: GoldenCase) -> Decision:
    """Decide about another pod under a case's policy and view."""
    return decide(pod, of.facts, of.policy, of.view)


def with_defaults(pod: Json) -> Json:
    """Return the pod as the API server shows it at a reinvocation: a hostPath without a type has the empty one."""
    for volume in pod["spec"]["volumes"]:
        if "hostPath" in volume:
            volume["hostPath"].setdefault("type", "")
    return pod


@pytest.mark.parametrize("name", MOUNT_CASES)
def test_a_pod_that_contains_what_we_write_keeps_its_decision(name: str) -> None:
    """Nothing is left to do, also after the API server's defaults and a sidecar of another webhook."""
    first = case(name)
    pod = with_defaults(patched(first.pod, first.decide()))
    pod["spec"]["containers"].append({"name": "mesh", "volumeMounts": [{"name": "token", "mountPath": "/token"}]})
    second = again(pod, first)
    assert (second.word, second.operations) == (first.decide().word, ())


def more_volumes(pod: Json) -> None:
    """Add a look-alike of another driver file."""
    pod["spec"]["volumes"].append(LOOK_ALIKE)
    pod["spec"]["containers"][0]["volumeMounts"].append({"name": LOOK_ALIKE["name"], "mountPath": "/x"})


def fewer_mounts(pod: Json) -> None:
    """Leave one mount away."""
    pod["spec"]["containers"][0]["volumeMounts"].pop()


def writable(pod: Json) -> None:
    """Make a mount writable."""
    del pod["spec"]["containers"][0]["volumeMounts"][-1]["readOnly"]


def other_file(pod: Json) -> None:
    """Name another file of the host."""
    pod["spec"]["volumes"][-1]["hostPath"]["path"] += ".535.183.01"


def sub_path(pod: Json) -> None:
    """Mount a part of a volume."""
    pod["spec"]["containers"][0]["volumeMounts"][-1]["subPath"] = "x"


def with_devices(pod: Json) -> None:
    """Add the host's devices where the policy wants none."""
    pod["spec"]["volumes"].append(DEVICES)
    pod["spec"]["containers"][0]["volumeMounts"].append({"name": "gpu-injector-dev", "mountPath": "/dev"})


def second_gpu_container(pod: Json) -> None:
    """Add a container that requests a GPU and has no mounts."""
    pod["spec"]["containers"].append({"name": "late", "resources": {"limits": {"nvidia.com/gpu": 1}}})


@pytest.mark.parametrize(
    "change", [more_volumes, fewer_mounts, writable, other_file, sub_path, with_devices, second_gpu_container]
)
def test_a_pod_that_differs_is_decided_from_scratch(change: Callable[[Json], None]) -> None:
    """The annotation keeps nothing, and the evidence says so."""
    first = case("mount")
    pod = patched(first.pod, first.decide())
    change(pod)
    second = again(pod, first)
    assert second.word == "leave/author-mounts"
    assert any(line.startswith("changed-since") for line in second.evidence)
    assert patched(pod, second)["spec"] == pod["spec"]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", ["pod-security-baseline", "fallback-off", "pod-security-kyverno", "inject", "mount"])
def test_no_forged_word_with_a_look_alike_gains_anything(name: str, word: str) -> None:
    """The attack: a forged word and a look-alike volume got privileges that the following rules refuse."""
    honest = case(name)
    pod = copy.deepcopy(dict(honest.pod))
    pod["spec"].setdefault("volumes", []).append(LOOK_ALIKE)
    mounts = pod["spec"]["containers"][0].setdefault("volumeMounts", [])
    mounts.append({"name": LOOK_ALIKE["name"], "mountPath": "/usr/lib64/libnvidia-ml.so.1"})
    privileged = GoldenCase(
        pod, honest.facts, honest.policy.model_copy(update={"devices": "privileged"}), honest.view, ""
    )
    expected = again(pod, privileged)
    pod["metadata"].setdefault("annotations", {})[DECISION_KEY] = word
    forged = again(pod, privileged)
    assert forged.word == expected.word
    assert patched(pod, forged)["spec"] == patched(pod, expected)["spec"]
    assert "privileged" not in str(forged.operations)


@pytest.mark.parametrize("word", WORDS)
def test_a_forged_word_with_the_class_gets_void_and_nothing_else(word: str) -> None:
    """The author may write the class and `void`; neither capabilities nor a toleration are added."""
    honest = case("inject-extras")
    pod = copy.deepcopy(dict(honest.pod))
    pod["spec"]["runtimeClassName"] = "nvidia"
    pod["metadata"]["annotations"] = {DECISION_KEY: word}
    found = again(pod, honest)
    if word == "inject/runtime-class":
        assert found.word == word
        assert {operation["path"].rpartition("/")[2] for operation in found.operations} == {"env"}
        assert "NVIDIA_DRIVER_CAPABILITIES" not in str(found.operations)
    else:
        assert found.word == "leave/author-chose"
        assert patched(pod, found)["spec"] == pod["spec"]


def test_a_forged_class_of_another_name_is_decided_from_scratch() -> None:
    """`inject` is kept for the policy's class only."""
    honest = case("inject")
    pod = copy.deepcopy(dict(honest.pod))
    pod["spec"]["runtimeClassName"] = "kata"
    pod["metadata"]["annotations"] = {DECISION_KEY: "inject/runtime-class"}
    assert again(pod, honest).word == "leave/author-chose"


FACTS = RequestInfo("kube-system", username=CREATOR)
VIEW = view(node("gpu-1"), daemon_set())
CLASS_VIEW = view(node("gpu-1", handlers=["nvidia"]), daemon_set(), runtime_class())


def plugin_pod() -> Json:
    """Return the next pod of the plugin."""
    (found,) = (VIEW.daemon_sets or {}).values()
    pod: Json = orjson.loads(orjson.dumps(next_pod(found, "gpu-1")))
    return pod


@pytest.mark.parametrize(("cluster", "word"), [(VIEW, "bootstrap/nvml"), (CLASS_VIEW, "bootstrap/runtime-class")])
def test_a_plugin_pod_keeps_what_it_got(cluster: Any, word: str) -> None:  # noqa: ANN401  a view
    """Also after the API server's defaults."""
    first = decide_plugin(plugin_pod(), FACTS, Policy(), cluster)
    pod = patched(plugin_pod(), first)
    pod["spec"].setdefault("volumes", [])
    second = decide_plugin(with_defaults(pod), FACTS, Policy(), cluster)
    assert (first.word, second.word, second.operations) == (word, word, ())


def unprivileged(pod: Json) -> None:
    """Take the privileges away."""
    del pod["spec"]["containers"][0]["securityContext"]


def no_search_path(pod: Json) -> None:
    """Take the variables away."""
    del pod["spec"]["containers"][0]["env"]


@pytest.mark.parametrize(
    "change", [fewer_mounts, other_file, sub_path, unprivileged, no_search_path, more_volumes], ids=lambda f: f.__name__
)
def test_a_plugin_pod_that_differs_is_decided_from_scratch(change: Callable[[Json], None]) -> None:
    """Its own mount of NVML, real or forged, is then the author's."""
    pod = patched(plugin_pod(), decide_plugin(plugin_pod(), FACTS, Policy(), VIEW))
    if change is other_file:
        pod["spec"]["volumes"].reverse()
    change(pod)
    found = decide_plugin(pod, FACTS, Policy(), VIEW)
    assert found.verdict is Verdict.LEAVE
    assert any(line.startswith("changed-since") for line in found.evidence)


@pytest.mark.parametrize("word", ["bootstrap/runtime-class", "bootstrap/nvml", "mount/handler-missing"])
def test_a_forged_word_does_not_give_a_plugin_pod_a_class(word: str) -> None:
    """A class that the view does not have would get the pod rejected; the author's own stays the author's."""
    pod = plugin_pod()
    pod["metadata"]["annotations"] = {DECISION_KEY: word}
    pod["spec"]["runtimeClassName"] = "nvidia"
    found = decide_plugin(pod, FACTS, Policy(), VIEW)
    assert found.word == "leave/author-chose"
    assert any(line.startswith("changed-since") for line in found.evidence)


def test_what_the_fallback_writes_is_not_kept_where_an_earlier_rule_decides() -> None:
    """The exact volumes, with a word that only the fallback gives, on nodes that differ in the class's handler."""
    mixed = case("handler-mixed")
    policy = mixed.policy.model_copy(update={"fallback": "on", "host_path_granted": True})
    first = decide(mixed.pod, mixed.facts, policy, replace(mixed.view, runtime_classes={}))
    assert first.word == "mount/runtime-class-missing"
    pod = patched(mixed.pod, first)
    pod["metadata"]["annotations"][DECISION_KEY] = "mount/handler-missing"
    assert decide(pod, mixed.facts, policy, mixed.view).word == "leave/author-mounts"
