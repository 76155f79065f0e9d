"""Generators of clusters: GPU nodes of every kind, with the plugins that run there, and pods that choose among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from support.pods import MISSING, fields, optional
from webhook.observations.plugin_observation import Observation, ObservationKey, Observations, PluginState
from webhook.view.dynamic_resources import DeviceClass, ResourceSlice
from webhook.view.gpu_operator import ClusterPolicy
from webhook.view.view import ClusterView, Node, Nvml, Plugin, PluginDaemonSet, PluginPod, RuntimeClass, Taint

LABELS: dict[str, list[str]] = {"zone": ["a", "b"], "pool": ["x", "y"], "rank": ["1", "7", "07", "high"]}
HANDLERS = [None, frozenset({"", "runc"}), frozenset({"", "runc", "nvidia"})]
SYSTEMS = ["Ubuntu 24.04.3 LTS", "Rocky Linux 9.6", "Debian GNU/Linux 12", "Flatcar Container Linux"]
MIG = {"nvidia.com/mig-1g.5gb": "7"}
TAINTS = [(), (), (Taint("nvidia.com/gpu", "present", "NoSchedule"),), (Taint("team", "ml", "NoExecute"),)]
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
# How plugins got NVML, with what else tells something.
PLUGINS: list[Plugin | None] = [
    Plugin("kube-system", "by-hand", nvml=Nvml.MOUNT, nvml_directory=LIBRARIES),
    Plugin("kube-system", "mounted", nvml=Nvml.MOUNT, nvml_directory=LIBRARIES, passes_devices=True),
    Plugin("kube-system", "bootstrapped", nvml=Nvml.MOUNT, nvml_directory=LIBRARIES, bootstrapped=True),
    Plugin("kube-system", "plain"),
    Plugin("kube-system", "unseen"),
    Plugin("kube-system", "gke", nvml=Nvml.MOUNT, of_platform=True),
    Plugin("kube-system", "classed", nvml=Nvml.CLASS, runtime_class="nvidia"),
    Plugin("kube-system", "cdi", list_strategies=frozenset({"cdi-cri"})),
    Plugin("kube-system", "configured", list_strategies=None, passes_devices=None),
    Plugin("tenant", "forged", nvml=Nvml.MOUNT, nvml_directory=LIBRARIES),
    None,
    Plugin("kube-system", "exporter", hands_out_gpus=False, nvml=Nvml.CLASS, runtime_class="nvidia"),
]

FEW: list[dict[str, Any]] = [{}] * 7
NAMESPACES = [{"gpu-injector.io/inject": "enabled"}, {"gpu-injector.io/inject": "dry-run"}]
CLASSES = [
    {},
    {"nvidia": RuntimeClass("nvidia", "nvidia")},
    {"nvidia": RuntimeClass("nvidia", "nvidia")},
    {"nvidia": RuntimeClass("nvidia", "nvidia", of_distribution=True)},
    {"nvidia": RuntimeClass("nvidia", "nvidia", {"zone": "a"}, ({"key": "team", "operator": "Exists"},))},
]


@dataclass(frozen=True, slots=True)
class Machine:
    """A node, and the plugin that runs on it, None for none."""

    node: Node
    plugin: PluginPod | None


# What machines that were bought together have in common.
MODELS = st.fixed_dictionaries(
    {
        "os_image": st.sampled_from(SYSTEMS),
        "kernel": st.just("6.8.0"),
        "architecture": st.sampled_from(["amd64", "amd64", "arm64"]),
        "runtime": st.sampled_from(["containerd://2.1.4", "containerd://2.1.4", "docker://24.0.7"]),
        "handlers": st.sampled_from(HANDLERS),
        "taints": st.sampled_from(TAINTS),
        "unschedulable": st.sampled_from([False, False, False, True]),
        "allocatable": st.sampled_from([{"nvidia.com/gpu": "2"}, {"nvidia.com/gpu": "2"}, MIG, {}]),
    }
)


def plugin_pod(plugin: Plugin, node: str, running: bool) -> PluginPod:  # noqa: FBT001
    """Return the pod of a plugin on a node."""
    return PluginPod(
        plugin, uid=node, node=node, owner=plugin.name, running=running, ready=running, owner_name=plugin.name
    )


def template_of(plugin: Plugin) -> Plugin:
    """Return what a plugin's DaemonSet says: a mount of ours is only in the pod."""
    return replace(plugin, nvml=Nvml.NEITHER, nvml_directory="", bootstrapped=False) if plugin.bootstrapped else plugin


@st.composite
def machines(draw: st.DrawFn, name: str, model: dict[str, Any], plugin: Plugin | None) -> Machine:
    """Draw a machine of a model, with labels of its own."""
    labels = {key: value for key, values in LABELS.items() if (value := draw(st.sampled_from([None, *values])))}
    if not model["allocatable"] or draw(st.booleans()):
        labels |= {"nvidia.com/gpu.present": "true", "nvidia.com/cuda.driver-version.full": "570.86.15"}
    running = draw(st.sampled_from([True, True, False]))
    pod = plugin_pod(plugin, name, running) if plugin else None
    return Machine(Node(name, labels, **model), pod)


@st.composite
def fleets(
    draw: st.DrawFn, models: st.SearchStrategy[dict[str, Any]] = MODELS, plugins: Sequence[Plugin | None] = PLUGINS
) -> list[Machine]:
    """Draw up to five machines of one or two models, on which one or two plugins run."""
    bought = draw(st.lists(models, min_size=1, max_size=2))
    installed = draw(st.lists(st.sampled_from(plugins), min_size=1, max_size=2))
    choice = st.tuples(st.sampled_from(bought), st.sampled_from(installed))
    return [draw(machines(f"gpu-{number}", *draw(choice))) for number in range(draw(st.integers(0, 5)))]


ANY_FLEET = fleets()


@st.composite
def clusters(
    draw: st.DrawFn,
    fleet: st.SearchStrategy[list[Machine]] = ANY_FLEET,
    classes: Sequence[Mapping[str, RuntimeClass]] = CLASSES,
) -> ClusterView:
    """Draw a cluster with everything that a decision looks at; now and then it lacks a kind altogether."""
    machines = draw(fleet)
    view = view_of_fleet(machines)
    lacking = draw(st.sets(st.sampled_from(["nodes", "plugin_pods", "daemon_sets", "api_groups"]), max_size=1))
    facts: dict[str, Any] = {
        "runtime_classes": draw(st.sampled_from(classes)),
        "namespaces": {"ml": draw(st.sampled_from(NAMESPACES))},
        "nodes": view.nodes,
        "plugin_pods": view.plugin_pods,
        "daemon_sets": view.daemon_sets,
        "cluster_policies": draw(st.sampled_from([*FEW, {"policy": ClusterPolicy(cdi=True, nri=False)}])),
        "device_classes": draw(
            st.sampled_from([*FEW, {"gpu": DeviceClass("gpu", "nvidia.com/gpu", "gpu.nvidia.com")}])
        ),
        "resource_slices": draw(st.sampled_from([None, {}, {"slice": ResourceSlice("gpu.nvidia.com", "gpu-1")}])),
        "observations": Observations({key: draw(st.sampled_from(SEEN)) for key in observable(machines)}),
        "api_groups": draw(st.sampled_from([frozenset(), frozenset(), frozenset({"kyverno.io"})])),
    }
    facts |= {kind: None for kind in facts if kind in lacking and draw(st.booleans())}
    return ClusterView(**facts)


DEVICE_CLASS = DeviceClass("gpu", "nvidia.com/gpu", "gpu.nvidia.com")
SEEN = [Observation(state) for state in (PluginState.HEALTHY, PluginState.HEALTHY, PluginState.BLIND)]


def observable(machines: Sequence[Machine]) -> list[ObservationKey]:
    """Return the keys under which plugins of these machines may have been observed: some were not."""
    pairs = [(template_of(machine.plugin.plugin), machine.node.host) for machine in machines if machine.plugin]
    found = dict.fromkeys(
        ObservationKey(plugin.namespace, plugin.name, host, str(plugin.nvml), plugin.runtime_class)
        for plugin, host in pairs
    )
    return [key for key in found if not key.daemon_set.endswith("unseen")]


# No class, a system whose driver is vouched for, and plugins of which half got their library by a mount: where the
# fallback has to decide.
BARE_CLUSTERS = clusters(
    fleets(
        MODELS.map(lambda model: {**model, "os_image": SYSTEMS[0], "architecture": "amd64"}),
        [*PLUGINS[:6], *PLUGINS[:3]],
    ),
    [{}],
)


def view_of_fleet(fleet: list[Machine]) -> ClusterView:
    """Return nodes, plugins and their DaemonSets as a view."""
    pods = [machine.plugin for machine in fleet if machine.plugin]
    return ClusterView(
        nodes={machine.node.name: machine.node for machine in fleet},
        plugin_pods={f"{pod.plugin.namespace}/{pod.plugin.name}-{pod.node}": pod for pod in pods},
        # For no node but those that have its pods.
        daemon_sets={
            f"{pod.plugin.namespace}/{pod.plugin.name}": PluginDaemonSet(
                template_of(pod.plugin), pod.plugin.name, {"nodeSelector": {"no": "node"}}
            )
            for pod in pods
        },
    )


KEYS = st.sampled_from([*LABELS, "nvidia.com/gpu.present", "absent"])
VALUES = st.sampled_from(["a", "b", "x", "1", "7", "true", "-3", "1_0", ""])
EXPRESSIONS = fields(
    key=KEYS,
    operator=st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Near"]),
    values=optional(st.lists(VALUES, max_size=2)),
)
NAMES = fields(
    key=st.sampled_from(["metadata.name", "metadata.name", "metadata.uid"]),
    operator=st.sampled_from(["In", "NotIn"]),
    values=st.lists(st.sampled_from(["gpu-0", "gpu-1", "elsewhere"]), max_size=2),
)
TERMS = fields(
    matchExpressions=optional(st.lists(EXPRESSIONS, max_size=2)), matchFields=optional(st.lists(NAMES, max_size=1))
)
TOLERATIONS = fields(
    key=st.sampled_from(["nvidia.com/gpu", "team", ""]),
    operator=st.sampled_from(["Exists", "Equal"]),
    value=st.sampled_from(["ml", "present"]),
)

# Terms in which every expression counts.
STRICT_TERMS = fields(matchExpressions=st.lists(EXPRESSIONS, min_size=2, max_size=2))
AFFINITIES = st.lists(STRICT_TERMS, min_size=1, max_size=2).map(
    lambda terms: {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    }
)

PLACEMENTS = fields(
    nodeName=st.sampled_from([MISSING, MISSING, MISSING, None, "", "gpu-0", "elsewhere"]),
    nodeSelector=st.just(MISSING) | optional(st.dictionaries(KEYS, st.none() | VALUES, max_size=2)),
    affinity=st.just(MISSING)
    | optional(
        st.lists(TERMS, max_size=2).map(
            lambda terms: {
                "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
            }
        )
    ),
    tolerations=optional(st.lists(TOLERATIONS, max_size=2)),
)


CPU = {"name": "web", "image": "cuda"}
ASKING = {"name": "model", "image": "cuda", "resources": {"limits": {"nvidia.com/gpu": 1}}}
MOUNTING = {**ASKING, "volumeMounts": [{"name": "own", "mountPath": "/usr/lib64"}]}
MIG_ASKING = {"name": "slice", "image": "cuda", "resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}}
SHAPES: list[dict[str, Any]] = [
    {"containers": [ASKING]},
    {"containers": [CPU, ASKING]},
    {"containers": [ASKING, MOUNTING], "volumes": [{"name": "own", "emptyDir": {}}]},
    {"containers": [CPU], "initContainers": [ASKING], "volumes": [{"name": "gpu-injector-dev", "emptyDir": {}}]},
    {"containers": [MIG_ASKING], "volumes": None},
]


def placed_pods(placements: st.SearchStrategy[dict[str, Any]] = PLACEMENTS) -> st.SearchStrategy[dict[str, Any]]:
    """Return GPU pods whose authors leave class and libraries to us, and say on which nodes they may run."""
    return st.builds(
        lambda shape, placement: {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {**shape, **placement}},
        st.sampled_from(SHAPES),
        placements,
    )
