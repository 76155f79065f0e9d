"""What holds in every cluster, whatever its nodes and plugins. Proven by tests/sabotage/cluster.toml."""

import dataclasses
import random
from operator import itemgetter
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from support.clusters import AFFINITIES, BARE_CLUSTERS, PLACEMENTS, Machine, clusters, fleets, placed_pods, plugin_pod
from support.patched import patched

from webhook.decide.decision import Decision, RequestInfo, Verdict
from webhook.decide.nodes.candidates import Candidate, candidates, gpu_kinds
from webhook.decide.nodes.index import NodeIndex
from webhook.decide.nodes.kind import NodeKind, is_labelled_gpu_node, offered_gpus
from webhook.decide.nodes.trusted_plugins import TrustedPlugins
from webhook.decide.pod import containers
from webhook.decide.workload.decide import decide
from webhook.kube.node_affinity import selects, tolerates_all
from webhook.observations.plugin_observation import ObservationKey, PluginState
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Node, Nvml, Plugin, PluginDaemonSet, PluginPod, RuntimeClass, Taint

POLICIES = st.builds(
    Policy,
    fallback=st.sampled_from(["auto", "auto", "on", "off"]),
    devices=st.sampled_from(["plugin", "privileged"]),
    libraries=st.sampled_from([(), ("libnvcuvid.so.{driver_version}",)]),
    binaries=st.sampled_from([(), ("nvidia-smi",)]),
    add_toleration=st.booleans(),
)
# Where the fallback is asked: by pods that go anywhere.
MOUNTING = st.builds(Policy, fallback=st.sampled_from(["auto", "on"]))
TOLERANT = st.just({"tolerations": [{"operator": "Exists"}]})

FACTS = RequestInfo(namespace="ml")


def landing(pod: dict[str, Any], view: ClusterView) -> list[Node]:
    """Look at every node, one by one, for those that hand out the pod's GPUs and let it in."""
    spec, wanted = pod["spec"], frozenset[str]().union(*(one.gpu_resources for one in containers(pod, Policy())))
    reached = [
        node
        for node in (view.nodes or {}).values()
        if (spec.get("nodeName") or tolerates_all(spec.get("tolerations") or [], node.taints)) and selects(spec, node)
    ]
    offering = [node for node in reached if wanted <= offered_gpus(node, Policy()) | by_dra(node, view)]
    labelled = [node for node in reached if not offered_gpus(node, Policy()) and is_labelled_gpu_node(node, Policy())]
    found = offering or labelled
    return [node for node in found if not node.unschedulable] or found


def by_dra(node: Node, view: ClusterView) -> frozenset[str]:
    """Return what DRA serves on a node; while no plugin is there, a node with a GPU label waits for its driver."""
    served = frozenset(item.extended_resource for item in (view.device_classes or {}).values())
    slices = view.resource_slices
    published = slices is None or any(item.node == node.name for item in slices.values())
    plugins = TrustedPlugins.of(view, Policy())
    waits = (
        is_labelled_gpu_node(node, Policy()) and not offered_gpus(node, Policy()) and not plugins.device_plugin(node)
    )
    return served if published or waits else frozenset()


def under_class(pod: dict[str, Any], found: RuntimeClass) -> dict[str, Any]:
    """Return a pod with what the API server adds for its class."""
    spec = pod["spec"]
    selector = {**(spec.get("nodeSelector") or {}), **found.node_selector}
    return {
        "spec": {
            **spec,
            "nodeSelector": selector,
            "tolerations": [*(spec.get("tolerations") or []), *found.tolerations],
        }
    }


def decided(pod: dict[str, Any], policy: Policy, view: ClusterView) -> Decision:
    """Decide in namespace ml."""
    return decide(pod, FACTS, policy, view)


@given(placed_pods(), POLICIES, clusters() | BARE_CLUSTERS)
def test_a_patch_applies_and_a_second_pass_adds_nothing(pod: dict[str, Any], policy: Policy, view: ClusterView) -> None:
    """In every cluster the decision is stable, and what it writes fits the pod."""
    first = decided(pod, policy, view)
    second = decided(patched(pod, first), policy, view)
    assert (second.word, second.operations) == (first.word, ())


@given(placed_pods(st.just({}) | TOLERANT), MOUNTING, BARE_CLUSTERS)
def test_no_library_is_mounted_where_the_platform_provides(
    pod: dict[str, Any], policy: Policy, view: ClusterView
) -> None:
    """Not even ``fallback: on`` touches pods that may land where they get the libraries without us."""
    if decided(pod, policy, view).verdict is Verdict.MOUNT:
        plugins = TrustedPlugins.of(view, policy)
        for node in landing(pod, view):
            template = plugins.template(node)
            if template is None:
                assert policy.fallback == "on"
                continue
            plain = view.observations.state(ObservationKey(template.namespace, template.name, node.host))
            assert not provides(template, plain)
            pod_there = plugins.device_plugins.get(node.name)
            assert policy.fallback == "on" or needs(template, plain, pod_there)


def provides(template: Plugin, plain: PluginState | None) -> bool:
    """Say whether a plugin shows that pods on its node get the driver without us."""
    seen = template.nvml is Nvml.NEITHER and plain is PluginState.HEALTHY
    return template.of_platform or "cdi-cri" in (template.list_strategies or ()) or seen


def needs(template: Plugin, plain: PluginState | None, pod: PluginPod | None) -> bool:
    """Say whether a plugin shows that pods on its node get nothing without us."""
    if template.nvml is Nvml.NEITHER:
        return plain is PluginState.BLIND
    return template.nvml is Nvml.MOUNT and not template.of_platform and pod is not None


@given(placed_pods(), POLICIES, clusters())
def test_the_class_is_set_only_where_it_exists_and_no_node_lacks_it(
    pod: dict[str, Any], policy: Policy, view: ClusterView
) -> None:
    """A class that is absent gets the pod rejected; one whose handler a node lacks keeps it from starting there."""
    decision = decided(pod, policy, view)
    if decision.verdict is Verdict.INJECT:
        found = (view.runtime_classes or {})["nvidia"]
        proven = TrustedPlugins.of(view, policy).classes
        for node in landing(under_class(patched(pod, decision), found), view):
            if "nvidia" not in proven.get(node.name, ()):
                assert "nvidia" in (node.handlers or {"nvidia"})
                assert node.handlers or not (found.of_distribution or node.runtime.startswith("docker"))


UNRELATED = [
    Node("new-0", handlers=frozenset({"runc"})),
    Node("new-0", {"nvidia.com/gpu.present": "true"}, "Debian", taints=(Taint("closed", "", "NoSchedule"),)),
    Node("new-0", {"nvidia.com/gpu.present": "false"}, allocatable={"amd.com/gpu": "1"}),
]


@given(placed_pods(), POLICIES, clusters(), st.sampled_from(UNRELATED))
def test_a_node_that_the_pod_cannot_use_changes_nothing(
    pod: dict[str, Any], policy: Policy, view: ClusterView, node: Node
) -> None:
    """Without a GPU, or closed to the pod: as if it were not there."""
    alone = dataclasses.replace(view, nodes={node.name: node}, plugin_pods=None)
    assume(view.nodes is not None and not landing(pod, alone))
    more = dataclasses.replace(view, nodes={node.name: node, **(view.nodes or {})})
    assert decided(pod, policy, more) == decided(pod, policy, view)


@given(placed_pods(), POLICIES, clusters())
def test_a_plugin_that_a_tenant_forged_changes_nothing(pod: dict[str, Any], policy: Policy, view: ClusterView) -> None:
    """Labels, names and containers are free to write; what stands in another namespace is not believed."""
    forged = {f"tenant/{node}": plugin_pod(plugin, node, True) for plugin, node in FORGED}
    more = dataclasses.replace(
        view,
        plugin_pods={**(view.plugin_pods or {}), **forged},
        daemon_sets={**(view.daemon_sets or {}), "tenant/forged": PluginDaemonSet(FORGED[0][0], "forged")},
    )
    known = dataclasses.replace(view, plugin_pods=view.plugin_pods or {}, daemon_sets=view.daemon_sets or {})
    assert decided(pod, policy, more) == decided(pod, policy, known)


FORGED = [(Plugin("tenant", "forged", nvml=nvml), f"gpu-{number}") for number, nvml in enumerate([*Nvml, *Nvml])]


@given(placed_pods(), POLICIES, clusters(), st.randoms(use_true_random=False))
def test_the_order_of_the_view_says_nothing(
    pod: dict[str, Any], policy: Policy, view: ClusterView, chance: random.Random
) -> None:
    """Lists come from the API server in any order, and events change it."""
    kinds = ("nodes", "plugin_pods", "daemon_sets")
    moved: dict[str, Any] = {kind: shuffled(getattr(view, kind), chance) for kind in kinds}
    other = dataclasses.replace(view, **moved)
    # Under a policy of its own, for which the nodes are sorted anew.
    assert decided(pod, policy.model_copy(), other) == decided(pod, policy, view)


def shuffled(values: dict[str, Any] | None, chance: random.Random) -> dict[str, Any] | None:
    """Return the same entries in another order."""
    entries = list((values or {}).items())
    chance.shuffle(entries)
    return None if values is None else dict(entries)


@given(fleets(), PLACEMENTS | AFFINITIES)
def test_the_index_finds_what_a_scan_finds(fleet: list[Machine], spec: dict[str, Any]) -> None:
    """All operators, on labels and names, alone and together."""
    nodes = [machine.node for machine in fleet]
    found = NodeIndex(nodes).selected(spec)
    assert found == sum(1 << position for position, node in enumerate(nodes) if selects(spec, node))


@given(st.lists(clusters(), min_size=2, max_size=4), PLACEMENTS | AFFINITIES, st.data())
def test_following_a_view_finds_what_a_new_look_finds(
    views: list[ClusterView], spec: dict[str, Any], data: st.DataObject
) -> None:
    """Whatever changed meanwhile, and however often: labels, facts, plugins, nodes that came and went."""
    policy, view = Policy(), views[0]
    for other in views:
        view = blended(view, other, data)
        assert gpu_kinds(view, policy) == gpu_kinds(view, Policy())
        assert candidates(view, policy, spec, NO_RESOURCE) == candidates(view, Policy(), spec, NO_RESOURCE)


NO_RESOURCE = frozenset[str]()


def blended(view: ClusterView, other: ClusterView, data: st.DataObject) -> ClusterView:
    """Return a view of which some objects are another's, and the rest the very same."""
    kinds = data.draw(st.sets(st.sampled_from(["nodes", "plugin_pods", "daemon_sets", "resource_slices"]), min_size=1))
    parts: dict[str, Any] = {kind: mixed(getattr(view, kind), getattr(other, kind), data) for kind in kinds}
    whole = data.draw(st.sets(st.sampled_from(["observations", "device_classes", "cluster_policies"])))
    parts |= {kind: getattr(other, kind) for kind in whole}
    return dataclasses.replace(view, **parts)


def mixed(values: dict[str, Any] | None, others: dict[str, Any] | None, data: st.DataObject) -> dict[str, Any] | None:
    """Return the entries of a kind with some of another's, in place of what stands under their keys."""
    if values is None or others is None:
        return others
    keys = sorted({*values, *others})
    taken = data.draw(st.sets(st.sampled_from(keys))) if keys else set()
    return {key: side[key] for key in keys if key in (side := others if key in taken else values)}


@given(placed_pods(), clusters())
def test_candidates_are_what_a_scan_finds(pod: dict[str, Any], view: ClusterView) -> None:
    """Every node that the pod may land on is of a candidate kind, and the first by name of each kind is its example."""
    policy = Policy()
    wanted = frozenset[str]().union(*(one.gpu_resources for one in containers(pod, policy)))
    found = candidates(view, policy, pod["spec"], wanted)
    alone = [candidates(only(node, view), policy, pod["spec"], wanted) for node in landing(pod, view)]
    last_to_first = sorted((pair for (pair,) in map(as_pairs, alone)), key=itemgetter(1), reverse=True)
    assert dict(as_pairs(found)) == dict(last_to_first)


def only(node: Node, view: ClusterView) -> ClusterView:
    """Return the view of a cluster with one node only."""
    return dataclasses.replace(view, nodes={node.name: node})


def as_pairs(found: tuple[Candidate, ...]) -> list[tuple[NodeKind, str]]:
    """Return kind and example of each candidate."""
    return [(item.kind, item.example) for item in found]
