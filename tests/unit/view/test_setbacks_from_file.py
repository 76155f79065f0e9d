"""Setbacks in view files: a pod that our patch blocks, as ``kubectl get -o yaml`` prints it, and its Events."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.blocked_world import NO_RUNTIME, blocked_pod, event_about, ready_node, written
from support.plugin_world import daemon_set, namespace

from webhook.commands.shared.view_files import read_view_files
from webhook.kube.manifests import read_documents
from webhook.observations.setback import Setback, SetbackKind
from webhook.policy.model import Policy, SetbackRules
from webhook.view.projections import view_of
from webhook.view.view import ClusterView

OWNER = daemon_set()
PLUGIN = OWNER["metadata"]["name"]
VOLUME = "gpu-injector-nvml"
MISSING = (
    f'MountVolume.SetUp failed for volume "{VOLUME}" : hostPath type check failed: '
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1 is not a file"
)


def seen_now(node: dict[str, Any]) -> dict[str, Any]:
    """Return a node whose kubelet has just written its status: the time as of which a file is read."""
    node["status"]["conditions"].append({"type": "DiskPressure", "status": "False", "lastHeartbeatTime": written(0)})
    return node


def mounted_pod(**status: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a plugin pod of an old version with the recipe ``nvml``, which waits for its volume."""
    pod = blocked_pod(OWNER, "gpu-1", **status)
    del pod["spec"]["runtimeClassName"]
    pod["metadata"]["annotations"] = {"gpu-injector.io/decision": "bootstrap/nvml"}
    path = "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"
    pod["spec"]["volumes"] = [{"name": VOLUME, "hostPath": {"path": path, "type": "File"}}]
    mounts = [{"name": VOLUME, "mountPath": "/usr/local/lib/libnvidia-ml.so.1"}]
    image = "nvcr.io/nvidia/k8s-device-plugin:v0.14.5"
    pod["spec"]["containers"] = [{"name": "nvidia-device-plugin-ctr", "image": image, "volumeMounts": mounts}]
    return pod


def failed(view: ClusterView, recipe: str) -> Setback | None:
    """Ask as a decision does."""
    node = (view.nodes or {})["gpu-1"]
    return view.setbacks.failed("kube-system", PLUGIN, node, recipe)


def view(*objects: dict[str, Any]) -> ClusterView:
    """Return the view of a file with these objects."""
    text = yaml.safe_dump_all([namespace(), OWNER, *objects])
    return view_of(document.content for document in read_documents(text, "view.yaml"))


def test_a_second_try_after_a_failed_mount() -> None:
    """The pod is blocked by the library that its node lacks: the next one must not get the same patch."""
    pod = mounted_pod()
    events = {"apiVersion": "v1", "kind": "EventList", "items": [event_about(pod, MISSING, reason="FailedMount")]}
    found = failed(view(seen_now(ready_node("gpu-1")), pod, events), "nvml")
    assert found is not None
    assert (found.kind, found.text) == (SetbackKind.BLOCKED, MISSING)
    assert failed(view(seen_now(ready_node("gpu-1")), pod, events), "runtime-class") is None


def test_the_items_of_a_list_need_no_kind() -> None:
    """As ``kubectl get --raw`` prints it."""
    pod = mounted_pod()
    event = event_about(pod, MISSING, reason="FailedMount")
    bare = {key: event[key] for key in event if key not in ("kind", "apiVersion")}
    events = {"apiVersion": "v1", "kind": "EventList", "items": [bare]}
    found = failed(view(seen_now(ready_node("gpu-1")), pod, events), "nvml")
    assert found is not None
    assert found.text == MISSING


@pytest.mark.parametrize("word", ["involvedObject", "regarding"])
def test_events_of_both_apis(word: str) -> None:
    """The same Event is served by the core API and by events.k8s.io."""
    pod = blocked_pod(OWNER, "gpu-1")
    event = event_about(pod, NO_RUNTIME)
    if word == "regarding":
        event |= {
            "apiVersion": "events.k8s.io/v1",
            "regarding": event.pop("involvedObject"),
            "note": event.pop("message"),
        }
    found = failed(view(seen_now(ready_node("gpu-1")), pod, event), "runtime-class")
    assert found is not None
    assert found.text == NO_RUNTIME


def test_without_events_the_status_decides() -> None:
    """The pod of the field case has its container statuses, and no Event."""
    assert failed(view(seen_now(ready_node("gpu-1")), mounted_pod()), "nvml") is not None


def test_without_any_time_the_status_decides() -> None:
    """A file that was written by hand records no time: what is not recorded counts as long ago."""
    node, pod = ready_node("gpu-1"), mounted_pod(conditions=[{"type": "Ready", "status": "False"}])
    node["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    del pod["status"]["startTime"]
    assert failed(view(node, pod), "nvml") is not None


def test_a_pod_that_has_just_been_created_proves_nothing() -> None:
    """As of the newest time that the file records."""
    assert failed(view(seen_now(ready_node("gpu-1")), blocked_pod(OWNER, "gpu-1", since=-4)), "runtime-class") is None


@pytest.mark.parametrize("status", [{"phase": "Pending", "conditions": [], "containerStatuses": []}, {}])
def test_a_pod_without_container_statuses_proves_nothing(status: dict[str, Any]) -> None:
    """Its kubelet has not seen it yet."""
    pod = mounted_pod()
    pod["status"] = {"phase": "Pending"} | status
    assert failed(view(seen_now(ready_node("gpu-1")), pod), "nvml") is None


async def test_the_policy_may_want_no_setbacks(tmp_path: Path) -> None:
    """``setbacks: {plugins: false}``."""
    file = tmp_path / "view.yaml"
    objects = [namespace(), OWNER, seen_now(ready_node("gpu-1")), mounted_pod()]
    file.write_text(yaml.safe_dump_all(objects))
    assert failed((await read_view_files([file], None, Policy())).view, "nvml") is not None
    without = Policy(setbacks=SetbackRules(plugins=False))
    assert failed((await read_view_files([file], None, without)).view, "nvml") is None
