"""What the view keeps of a Node, and how the default runtime of k3s and RKE2 is read."""

import json
from typing import Any

import pytest

from webhook.nvidia.startup_taints import is_temporary_taint
from webhook.observations.plugin_observation import HostKind
from webhook.view.default_runtime import MAX_ARGUMENTS_CHARACTERS, default_runtime
from webhook.view.node_projection import project_node

ARGUMENTS = "k3s.io/node-args"


def node(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a Node."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "spec": spec or {}, "status": status}


def test_a_nodes_host_boot_and_gpus_are_kept() -> None:
    """Capacity and allocatable are kept apart: a GPU may be there and unhealthy."""
    info = {
        "bootID": "b-1",
        "osImage": "Ubuntu 24.04",
        "kernelVersion": "6.8",
        "architecture": "amd64",
        "containerRuntimeVersion": "containerd://2.1",
    }
    found = project_node(
        node(
            nodeInfo=info,
            runtimeHandlers=[{"name": "runc"}],
            capacity={"cpu": "8", "nvidia.com/gpu": "2", "hugepages-2Mi": "0"},
            allocatable={"cpu": "8", "nvidia.com/gpu": "0"},
        )
    )
    assert (found.boot_id, dict(found.capacity), dict(found.allocatable)) == (
        "b-1",
        {"nvidia.com/gpu": "2"},
        {"nvidia.com/gpu": "0"},
    )
    assert found.host == HostKind("Ubuntu 24.04", "6.8", "amd64", "containerd://2.1", frozenset({"runc"}))


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([], None),
        ([{"type": "DiskPressure", "status": "True"}], None),
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "Ready", "status": "False"}], False),
        ([{"type": "Ready", "status": "Unknown"}], False),
    ],
)
def test_readiness_of_a_node(conditions: list[dict[str, str]], ready: bool | None) -> None:  # noqa: FBT001
    """A node that has stopped reporting is not ready; one that never reported is unknown."""
    assert project_node(node(conditions=conditions)).ready is ready


@pytest.mark.parametrize(("spec", "cordoned"), [({}, False), ({"unschedulable": True}, True)])
def test_a_cordoned_node_says_so(spec: dict[str, Any], cordoned: bool) -> None:  # noqa: FBT001
    """Its taint is temporary, so the field shows it."""
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    found = project_node(node({**spec, "taints": [taint]}))
    assert (found.unschedulable, found.taints) == (cordoned, ())


@pytest.mark.parametrize(
    ("key", "temporary"),
    [
        ("node.kubernetes.io/out-of-service", True),
        ("node.cluster.x-k8s.io/uninitialized", True),
        ("ToBeDeletedByClusterAutoscaler", True),
        ("startup-taint.cluster-autoscaler.kubernetes.io/gpu", True),
        ("ignore-taint.cluster-autoscaler.kubernetes.io/x", True),
        ("karpenter.sh/unregistered", True),
        ("node.cilium.io/agent-not-ready", True),
        ("efs.csi.aws.com/agent-not-ready", True),
        ("aws-node-termination-handler/spot-itn", True),
        ("readiness.k8s.io/network", True),
        ("nvidia.com/gpu", False),
        ("dedicated", False),
        ("karpenter.sh/nodepool", False),
    ],
)
def test_taints_of_a_starting_or_leaving_node_are_temporary(key: str, temporary: bool) -> None:  # noqa: FBT001
    """A pod may land on such a node a moment later."""
    assert is_temporary_taint(key) is temporary
    taints = [{"key": key, "effect": "NoSchedule"}]
    assert [taint.key for taint in project_node(node({"taints": taints})).taints] == ([] if temporary else [key])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["agent", "--default-runtime=nvidia"], "nvidia"),
        (["agent", "--default-runtime", "nvidia-cdi"], "nvidia-cdi"),
        (["agent", "--default-runtime", "runc", "--default-runtime=nvidia"], "nvidia"),
        (["agent", "--default-runtime"], ""),
        (["agent", "--default-runtime", "--node-ip=10.0.0.1"], ""),
        (["agent", "--default-runtime-class=nvidia"], ""),
        (["agent", {"a": 1}, None, 3], ""),
        (["server"], ""),
    ],
    ids=str,
)
@pytest.mark.parametrize("key", [ARGUMENTS, "rke2.io/node-args"])
def test_k3s_and_rke2_record_their_default_runtime(key: str, arguments: list[Any], expected: str) -> None:
    """As one item of the array or as two; the last one counts."""
    item = node()
    item["metadata"]["annotations"] = {key: json.dumps(arguments)}
    assert project_node(item).default_runtime == expected


@pytest.mark.parametrize(
    "value", ["", "agent --default-runtime=nvidia", '{"--default-runtime": "nvidia"}', "[" * 20000, None, 7]
)
def test_an_odd_annotation_sets_no_runtime(value: object) -> None:
    """It is a JSON array, or nothing."""
    assert default_runtime({ARGUMENTS: value}) == ""


def test_a_huge_annotation_is_not_read() -> None:
    """Its size is checked before it is parsed."""
    huge = json.dumps(["x" * MAX_ARGUMENTS_CHARACTERS, "--default-runtime=nvidia"])
    assert default_runtime({ARGUMENTS: huge}) == ""
