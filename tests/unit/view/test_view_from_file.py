"""The view of a file has every kind that a live one has."""

from typing import Any

import pytest

from webhook.kube.manifests import read_documents
from webhook.observations.plugin_observation import PluginState
from webhook.view.projections import KINDS, view_of
from webhook.view.view import ClusterView

FILE = """
apiVersion: v1
kind: List
items:
- apiVersion: node.k8s.io/v1
  kind: RuntimeClass
  metadata: {name: nvidia}
  handler: nvidia
  overhead: {podFixed: {memory: 64Mi, cpu: 10m}}
  scheduling: {nodeSelector: {gpu: "yes"}}
- apiVersion: v1
  kind: Event
  metadata: {name: e, namespace: ml}
---
apiVersion: v1
kind: EventList
items:
- metadata: {name: e, namespace: ml}
- {}
---
apiVersion: resource.k8s.io/v1beta1
kind: ResourceSlice
metadata: {name: s}
spec: {driver: gpu.nvidia.com, nodeName: a, devices: [{name: gpu-0}]}
---
apiVersion: resource.k8s.io/v1
kind: DeviceClassList
items:
- metadata: {name: gpu}
  spec: {extendedResourceName: nvidia.com/gpu}
---
apiVersion: nvidia.com/v1alpha1
kind: GPUCluster
metadata: {name: c}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfigurationList
items: []
"""


def view_of_text(text: str) -> ClusterView:
    """Return the view that a file's text gives."""
    return view_of(document.content for document in read_documents(text, "view.yaml"))


def test_a_file_of_many_kinds() -> None:
    """Lists, lists of one kind, and Events, which the view does not keep."""
    view = view_of_text(FILE)
    assert (view.runtime_classes or {})["nvidia"].overhead == {"memory": "64Mi", "cpu": "10m"}
    assert (view.runtime_classes or {})["nvidia"].node_selector == {"gpu": "yes"}
    assert [one.node for one in (view.resource_slices or {}).values()] == ["a"]
    assert (set(view.device_classes or ()), set(view.gpu_clusters or ())) == ({"gpu"}, {"c"})
    assert (view.engine_webhooks, view.admission_policies, view.nodes) == ({}, None, None)


@pytest.mark.parametrize(("group", "kind"), sorted(KINDS), ids=lambda word: word or "core")
def test_an_empty_list_of_each_kind_says_that_there_are_none(group: str, kind: str) -> None:
    """A kind that the file does not name is unknown."""
    view = view_of([{"apiVersion": f"{group}/v1" if group else "v1", "kind": f"{kind}List", "items": []}])
    assert getattr(view, KINDS[group, kind].field) == {}
    assert getattr(view_of([]), KINDS[group, kind].field) is None


@pytest.mark.parametrize(("group", "kind"), sorted(KINDS), ids=lambda word: word or "core")
@pytest.mark.parametrize("content", [{}, {"spec": None}, {"spec": [], "status": 1, "webhooks": {}}, {"spec": "odd"}])
def test_odd_objects_raise_nothing(group: str, kind: str, content: dict[str, Any]) -> None:
    """Whatever a custom resource contains."""
    view = view_of([{"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, **content}])
    assert isinstance(view, ClusterView)


def plugin_file(ready: str = "", heartbeat: str = "", *, capacity: str = "1", container: str = "") -> str:
    """Return a node, a DaemonSet and its ready pod, with the times that are given."""
    plugin = "containers: [{name: nvidia-device-plugin-ctr}]"
    volume = "volumes: [{name: gpu-injector-nvml, hostPath: {path: /x}}]" if container else "volumes: []"
    changed = f"lastTransitionTime: '{ready}'" if ready else "reason: none"
    beat = f"lastHeartbeatTime: '{heartbeat}'" if heartbeat else "reason: none"
    return f"""
kind: Node
apiVersion: v1
metadata: {{name: a}}
status:
  capacity: {{nvidia.com/gpu: "{capacity}"}}
  allocatable: {{nvidia.com/gpu: "{capacity}"}}
  conditions: [{{type: Ready, status: "True", {beat}}}]
---
kind: DaemonSet
apiVersion: apps/v1
metadata: {{name: plugin, namespace: kube-system, uid: ds-1}}
spec:
  template:
    metadata: {{labels: {{name: nvidia-device-plugin-ds}}}}
    spec: {{{plugin}}}
---
kind: Pod
apiVersion: v1
metadata:
  name: plugin-1
  namespace: kube-system
  labels: {{name: nvidia-device-plugin-ds}}
  ownerReferences: [{{apiVersion: apps/v1, kind: DaemonSet, name: plugin, uid: ds-1, controller: true}}]
spec:
  nodeName: a
  {plugin}
  {volume}
status:
  phase: Running
  conditions: [{{type: Ready, status: "True", {changed}}}]
"""


@pytest.mark.parametrize(
    ("text", "states"),
    [
        (plugin_file(), [PluginState.HEALTHY]),
        (plugin_file(container="patched"), []),
        (plugin_file(capacity="0"), [PluginState.BLIND]),
        (plugin_file("2026-11-27T10:00:00Z", "2026-11-27T10:00:30Z", capacity="0"), []),
        (plugin_file("2026-11-27T10:00:00Z", "2026-11-27T10:02:00Z", capacity="0"), [PluginState.BLIND]),
    ],
    ids=["healthy", "patched", "blind", "just ready", "ready for minutes"],
)
def test_a_file_shows_what_its_plugins_are(text: str, states: list[PluginState]) -> None:
    """As of the newest time that the file records; a pod without times is ready since long."""
    assert [one.state for one in view_of_text(text).observations.entries.values()] == states
