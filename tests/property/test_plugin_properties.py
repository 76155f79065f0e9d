"""What holds for every plugin pod, whatever its author wrote. Proven by tests/sabotage/bootstrap.toml."""

import copy
from typing import Any

import jsonpatch
import orjson
from hypothesis import given
from hypothesis import strategies as st
from support.plugin_world import LABELS, PLUGIN, daemon_set, daemon_sets, node, view

from webhook.decide.decision import Decision, RequestInfo
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.plugin.unserved_plugins import CREATOR, next_pod
from webhook.policy.model import Policy

VIEW = view(node("gpu-1"), daemon_set())
FACTS = RequestInfo("kube-system", username=CREATOR)


@st.composite
def plugin_pods(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the pod of a plugin beside another container, as the DaemonSet controller makes it for a GPU node."""
    (found,) = (view(draw(daemon_sets()), node("gpu-1")).daemon_sets or {}).values()
    pod: dict[str, Any] = orjson.loads(orjson.dumps(next_pod(found, "gpu-1")))
    return pod


def patched(pod: dict[str, Any], decision: Decision) -> dict[str, Any]:
    """Apply a decision's operations as they stand on the wire."""
    operations = orjson.loads(orjson.dumps(decision.operations))
    result: dict[str, Any] = jsonpatch.JsonPatch(operations).apply(copy.deepcopy(pod))
    return result


@given(plugin_pods())
def test_a_second_pass_changes_nothing(pod: dict[str, Any]) -> None:
    """The API server may call again (IfNeeded), and a patch that does not apply would get the pod rejected."""
    first = decide_plugin(pod, FACTS, Policy(), VIEW)
    second = decide_plugin(patched(pod, first), FACTS, Policy(), VIEW)
    assert (second.word, second.operations) == (first.word, ())


@given(plugin_pods())
def test_only_the_plugins_container_is_touched(pod: dict[str, Any]) -> None:
    """And the API server takes its security context."""
    sidecar, plugin = patched(pod, decide_plugin(pod, FACTS, Policy(), VIEW))["spec"]["containers"]
    assert sidecar == pod["spec"]["containers"][0]
    context = plugin.get("securityContext") or {}
    before = pod["spec"]["containers"][1].get("securityContext") or {}
    assert context == before or (context["privileged"], context.get("allowPrivilegeEscalation")) != (True, False)


@given(plugin_pods())
def test_only_the_driver_and_the_devices_of_the_host_are_mounted(pod: dict[str, Any]) -> None:
    """One file that has to be there, or /usr: read-only, without propagation. All of the host would pin volumes."""
    spec = patched(pod, decide_plugin(pod, FACTS, Policy(), VIEW))["spec"]
    added = [volume for volume in spec["volumes"] if volume not in pod["spec"]["volumes"]]
    file = {"path": "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "type": "File"}
    assert all(volume["hostPath"] in (file, {"path": "/usr"}, {"path": "/dev"}) for volume in added)
    names = {volume["name"] for volume in added if volume["hostPath"] != {"path": "/dev"}}
    mounts = [mount for mount in spec["containers"][1].get("volumeMounts") or () if mount["name"] in names]
    assert all(mount.keys() == {"name", "mountPath", "readOnly"} and mount["readOnly"] for mount in mounts)


@given(plugin_pods(), st.sampled_from(["jane", "system:serviceaccount:kube-system:deployment-controller", ""]))
def test_nobody_elses_pod_becomes_privileged(pod: dict[str, Any], username: str) -> None:
    """Labels, containers and owner references are free to write."""
    found = decide_plugin(pod, RequestInfo("kube-system", username=username), Policy(), VIEW)
    assert patched(pod, found)["spec"] == pod["spec"]
    elsewhere = decide_plugin(pod, RequestInfo("tenant", username=CREATOR), Policy(), VIEW)
    assert patched(pod, elsewhere)["spec"] == pod["spec"]
    assert pod["metadata"]["labels"] == LABELS
    assert pod["metadata"]["ownerReferences"][0]["name"] == PLUGIN
