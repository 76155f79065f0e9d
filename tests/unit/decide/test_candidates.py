"""How many nodes are judged when the view changes; that what is found is right, test_cluster_properties tells."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from support.clusters import plugin_pod

from webhook.decide.nodes.candidates import candidates, node_groups
from webhook.decide.nodes.kind import node_kind
from webhook.decide.nodes.runtime_handler import HandlerState, handler_evidence
from webhook.observations.setback import Setback, SetbackKey, SetbackKind, Setbacks
from webhook.policy.model import Policy
from webhook.view.dynamic_resources import DeviceClass, ResourceSlice
from webhook.view.view import ClusterView, Node, Nvml, Plugin, PluginDaemonSet, RuntimeClass

GPUS = frozenset({"nvidia.com/gpu"})
GPU_CLASS = DeviceClass("mig", "nvidia.com/mig-1g.5gb", "gpu.nvidia.com")
THEN = datetime(2026, 1, 1, tzinfo=UTC)
PLUGIN = Plugin("kube-system", "plugin", nvml=Nvml.CLASS, runtime_class="nvidia")


def node(number: int, **facts: Any) -> Node:  # noqa: ANN401 - any field's
    """Return a node with a GPU."""
    return Node(f"gpu-{number:02}", {"pool": "a"}, **{"allocatable": {"nvidia.com/gpu": "1"}, **facts})


@pytest.fixture
def view() -> ClusterView:
    """Return a cluster of fifty nodes, with a plugin's pod on each."""
    names = [node(number).name for number in range(50)]
    return ClusterView(
        nodes={node(number).name: node(number) for number in range(50)},
        plugin_pods={f"kube-system/{name}": plugin_pod(PLUGIN, name, True) for name in names},
        daemon_sets={"kube-system/plugin": PluginDaemonSet(PLUGIN, "plugin")},
    )


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the nodes that are judged from now on."""
    names: list[str] = []

    def recording(node: Node, *facts: Any) -> object:  # noqa: ANN401 - node_kind's own
        names.append(node.name)
        return node_kind(node, *facts)

    monkeypatch.setattr("webhook.decide.nodes.candidates.node_kind", recording)
    return names


def with_nodes(view: ClusterView, *changed: Node) -> ClusterView:
    """Return a view with other facts about some nodes."""
    return replace(view, nodes={**(view.nodes or {}), **{one.name: one for one in changed}})


def test_every_node_is_judged_once(view: ClusterView, judged: list[str]) -> None:
    """The first look pays; those that follow are free."""
    policy = Policy()
    for _ in range(3):
        candidates(view, policy, {}, GPUS)
    assert sorted(judged) == sorted(view.nodes or ())


@pytest.mark.parametrize(
    "other",
    [
        {"namespaces": {"ml": {}}},
        {"runtime_classes": {}},
        {"cluster_policies": {}},
        {"device_classes": {}},
        {"api_groups": frozenset({"kyverno.io"})},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_says_nothing_of_nodes_has_none_judged(
    view: ClusterView, judged: list[str], other: Mapping[str, Any]
) -> None:
    """Namespaces come and go all day."""
    policy = Policy()
    known = node_groups(view, policy)
    judged.clear()
    assert node_groups(replace(view, **other), policy) is known
    assert judged == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ([node(7, os_image="Ubuntu 24.04")], ["gpu-07"]),
        ([node(7, os_image="Ubuntu 24.04"), node(9, taints=())], ["gpu-07", "gpu-09"]),
        ([node(50)], ["gpu-50"]),
        ([node(7, allocatable={})], ["gpu-07"]),
    ],
    ids=["one changes", "two change", "one comes", "one offers no GPU any more"],
)
def test_only_nodes_that_changed_are_judged(
    view: ClusterView, judged: list[str], changed: list[Node], expected: list[str]
) -> None:
    """In a cluster of thousands some node changes every second."""
    policy = Policy()
    node_groups(view, policy)
    judged.clear()
    node_groups(with_nodes(view, *changed), policy)
    assert sorted(judged) == expected


def test_a_pod_of_a_plugin_has_its_own_node_judged(view: ClusterView, judged: list[str]) -> None:
    """A roll-out of the plugin changes one pod after the other."""
    policy = Policy()
    node_groups(view, policy)
    judged.clear()
    changed = {"kube-system/gpu-03": plugin_pod(PLUGIN, "gpu-03", False)}
    node_groups(replace(view, plugin_pods={**(view.plugin_pods or {}), **changed}), policy)
    assert judged == ["gpu-03"]


SANDBOX = SetbackKey("kube-system", "plugin", "gpu-07", "runtime-class")
CLASS = RuntimeClass("nvidia", "nvidia")


@pytest.mark.parametrize(
    ("key", "expired", "handlers", "state"),
    [
        (SANDBOX, False, None, HandlerState.DISPROVED),
        (SANDBOX, True, None, HandlerState.UNKNOWN),
        (SANDBOX._replace(recipe="nvml"), False, None, HandlerState.UNKNOWN),
        (SANDBOX, False, frozenset({"nvidia"}), HandlerState.PROVEN),
    ],
    ids=["failed", "its time is over", "another recipe", "the node reports the handler"],
)
def test_a_plugin_pod_that_could_not_start_with_the_class_disproves_the_handler(
    judged: list[str],
    key: SetbackKey,
    expired: bool,  # noqa: FBT001
    handlers: frozenset[str] | None,
    state: HandlerState,
) -> None:
    """On its node, until the setback's time is over; what the node reports counts more."""
    nodes = {one.name: one for one in (node(number, handlers=handlers) for number in (6, 7, 8))}
    failed = Setback(key, SetbackKind.BLOCKED, "", THEN, THEN, host=nodes["gpu-07"].host)
    before, policy = ClusterView(nodes=nodes), Policy()
    node_groups(before, policy)
    judged.clear()
    setbacks = Setbacks({key: failed}, expired=frozenset({key} if expired else ()))
    found = candidates(replace(before, setbacks=setbacks), policy, {"nodeName": "gpu-07"}, GPUS)
    assert [handler_evidence(one.kind, CLASS) for one in found] == [state]
    assert judged == ([] if expired or key != SANDBOX else ["gpu-07"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"slice": ResourceSlice("gpu.nvidia.com", "gpu-05")}),
        ({"slice": ResourceSlice("gpu.nvidia.com", "gpu-05")}, {}),
        (
            {"slice": ResourceSlice("gpu.nvidia.com", "gpu-05", has_devices=False)},
            {"slice": ResourceSlice("gpu.nvidia.com", "gpu-05")},
        ),
    ],
    ids=["it appears", "it goes", "its devices appear"],
)
def test_a_slice_has_its_own_node_judged(
    view: ClusterView, judged: list[str], before: dict[str, ResourceSlice], after: dict[str, ResourceSlice]
) -> None:
    """Until then the plugin served the node; no other node is concerned."""
    policy = Policy()
    known = replace(view, device_classes={"gpu": GPU_CLASS}, resource_slices=before)
    assert by_dra(known, policy) == devices_of(before)
    judged.clear()
    found = by_dra(replace(known, resource_slices=after), policy)
    assert (judged, found) == (["gpu-05"], devices_of(after))


def devices_of(slices: dict[str, ResourceSlice]) -> list[str]:
    """Return the nodes for which slices have devices."""
    return [item.node for item in slices.values() if item.has_devices]


def by_dra(view: ClusterView, policy: Policy) -> list[str]:
    """Return the node for which DRA serves a resource of MIG, which no plugin offers there."""
    found = node_groups(view, policy)
    return [found.index.first(members).name for kind, members in found.groups.items() if kind.dynamic]


def test_labels_that_were_looked_up_are_not_looked_up_again(view: ClusterView) -> None:
    """A change of one node leaves what is known of the others' labels."""
    policy, spec = Policy(), {"nodeSelector": {"pool": "a"}}
    candidates(view, policy, spec, GPUS)
    known = node_groups(view, policy).index.with_label("pool")
    assert node_groups(with_nodes(view, node(7, kernel="6.9")), policy).index.with_label("pool") is known


def test_a_value_that_no_node_has_any_more_is_forgotten(view: ClusterView) -> None:
    """Labels with ever new values must not fill the memory."""
    policy, spec = Policy(), {"nodeSelector": {"pool": "a"}}
    for value in "bcd":
        candidates(view, policy, spec, GPUS)
        view = with_nodes(view, replace(node(7), labels={"pool": value}))
    assert set(node_groups(view, policy).index.with_label("pool").by_value) == {"a", "d"}
