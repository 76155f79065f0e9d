"""What plugin pods without our patch showed: whether they found their GPU on a kind of node.

An observation outlives the pod: a rollout, a restart or a missing pod does not erase it. The latest one counts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from webhook.nvidia.gpu_labels import gpu_labels
from webhook.nvidia.gpu_resources import offers_gpus
from webhook.observations.waits import DEFAULT_WAITS, Waits

# A management pod other than the device plugin proves nothing before.
STEADY = timedelta(minutes=10)
# The kubelet keeps the capacity of a device plugin that has ended for five minutes.
# Source: https://pkg.go.dev/k8s.io/kubernetes/pkg/kubelet/cm/devicemanager
STALE_CAPACITY = timedelta(minutes=6)
# A device plugin that has just started may not have registered yet, and a kubelet that has just started reports no
# devices until its plugins register again.
SETTLING = timedelta(minutes=1)
CRASH_LOOP = "CrashLoopBackOff"
# Feature discovery writes this label as soon as it finds a GPU.
# Source: https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery#generated-labels
DISCOVERED_LABEL = "nvidia.com/gpu.product"
MAX_OBSERVATIONS = 1000


class PluginState(StrEnum):
    """Whether a plugin pod found its GPU."""

    HEALTHY = "healthy"
    BLIND = "blind"


class HostKind(NamedTuple):
    """A kind of node: on nodes with equal values the same pod behaves alike. ``handlers`` is None where unreported."""

    os_image: str = ""
    kernel: str = ""
    architecture: str = ""
    runtime: str = ""
    handlers: frozenset[str] | None = None


class ObservationKey(NamedTuple):
    """What an observation holds for: a DaemonSet, how its pod got NVML, and a kind of node.

    ``nvml`` is ``mount``, ``class`` or ``neither``; ``runtime_class`` is empty where the pod had none.
    """

    namespace: str
    daemon_set: str
    host: HostKind
    nvml: str = "neither"
    runtime_class: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """A state, and since when it is known (None: unknown).

    ``blind_since`` is when a healthy plugin first looked blind: the state changes if it still does a minute later.
    """

    state: PluginState
    since: datetime | None = None
    blind_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observations:
    """The last observation for each key."""

    entries: Mapping[ObservationKey, Observation] = field(default_factory=lambda: MappingProxyType({}))

    def state(self, key: ObservationKey) -> PluginState | None:
        """Return the state that was last observed, None where there was none."""
        found = self.entries.get(key)
        return found.state if found else None

    def updated(self, newer: "Observations") -> "Observations":
        """Return the observations of both; where both have one the newer value counts."""
        return Observations({**self.entries, **newer.entries})


NO_OBSERVATIONS = Observations()


class ObservedPlugin(Protocol):
    """What an observation reads of a plugin, as ``webhook.view`` has it."""

    @property
    def namespace(self) -> str: ...  # noqa: D102
    @property
    def role(self) -> str: ...  # noqa: D102
    @property
    def nvml(self) -> str: ...  # noqa: D102
    @property
    def runtime_class(self) -> str: ...  # noqa: D102


class ObservedPod(Protocol):
    """What an observation reads of a plugin's pod."""

    @property
    def plugin(self) -> ObservedPlugin: ...  # noqa: D102
    @property
    def node(self) -> str: ...  # noqa: D102
    @property
    def owner_name(self) -> str: ...  # noqa: D102
    @property
    def running(self) -> bool: ...  # noqa: D102
    @property
    def ready(self) -> bool: ...  # noqa: D102
    @property
    def patched(self) -> bool: ...  # noqa: D102
    @property
    def waiting(self) -> str: ...  # noqa: D102
    @property
    def ready_since(self) -> datetime | None: ...  # noqa: D102


class ObservedNode(Protocol):
    """What an observation reads of a node."""

    @property
    def host(self) -> HostKind: ...  # noqa: D102
    @property
    def labels(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def capacity(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def allocatable(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def ready(self) -> bool | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Moment:
    """When pods and nodes are looked at (None: unknown), which resources are GPUs, and what a setback waits for."""

    now: datetime | None
    is_gpu_resource: Callable[[str], bool]
    waits: Waits = DEFAULT_WAITS

    def has_passed(self, duration: timedelta, since: datetime | None) -> bool:
        """Say whether a time is long enough ago. A time that is not recorded counts as long ago."""
        return since is None or (self.now is not None and self.now - since >= duration)

    def finds_gpus(self, quantities: Mapping[str, str]) -> bool | None:
        """Say whether quantities of a node have a GPU for containers; None where that is not known."""
        return offers_gpus(quantities, self.is_gpu_resource)


def observe(
    previous: Observations, pods: Mapping[str, ObservedPod], nodes: Mapping[str, ObservedNode], moment: Moment
) -> Observations:
    """Return the observations after a look at all plugin pods; the previous value itself if nothing changed.

    Where pods of one key disagree, a healthy one counts: the nodes of the others differ in what nodes do not report.
    A pod that is idle on a node which nothing shows to have a GPU does not refute a healthy one. ``pods`` must be those
    that a DaemonSet controls which the caller trusts.
    """
    seen: dict[ObservationKey, PluginState] = {}
    for key, state, node in _states(pods, nodes, moment):
        refutes = state is PluginState.BLIND and previous.state(key) is PluginState.HEALTHY
        if seen.get(key) is not PluginState.HEALTHY and (not refutes or _shows_gpu(node, moment)):
            seen[key] = state
    changed = {key: _next(previous.entries.get(key), state, moment) for key, state in seen.items()}
    entries = {**previous.entries, **changed}
    if entries == previous.entries:
        return previous
    return Observations(_bounded(entries, frozenset(seen)))


def plugin_state(pod: ObservedPod, node: ObservedNode, moment: Moment) -> PluginState | None:
    """Return whether a pod shows that it found its GPU, None where it does not show it yet, or any more."""
    if not pod.running or node.ready is False:
        return None
    if pod.plugin.role == "device-plugin":
        return _device_plugin_state(pod, node, moment)
    if not pod.ready:
        return PluginState.BLIND if pod.waiting == CRASH_LOOP else None
    if not moment.has_passed(STEADY, pod.ready_since):
        return None
    is_idle = pod.plugin.role == "feature-discovery" and DISCOVERED_LABEL not in node.labels
    return PluginState.BLIND if is_idle else PluginState.HEALTHY


def _states(
    pods: Mapping[str, ObservedPod], nodes: Mapping[str, ObservedNode], moment: Moment
) -> Iterator[tuple[ObservationKey, PluginState, ObservedNode]]:
    for pod in pods.values():
        node = nodes.get(pod.node)
        if node is None or pod.patched or not pod.owner_name:
            continue
        state = plugin_state(pod, node, moment)
        if state is not None:
            name, found = pod.owner_name, pod.plugin
            yield ObservationKey(found.namespace, name, node.host, str(found.nvml), found.runtime_class), state, node


def _shows_gpu(node: ObservedNode, moment: Moment) -> bool:
    """Say whether a node shows that it has a GPU: one image may be used for all nodes, with the plugin on each."""
    return any(map(moment.is_gpu_resource, node.capacity)) or gpu_labels(node.labels).show_gpu


def _device_plugin_state(pod: ObservedPod, node: ObservedNode, moment: Moment) -> PluginState | None:
    has_gpus = moment.finds_gpus(node.capacity)
    if has_gpus is False:
        is_blind = moment.has_passed(SETTLING, pod.ready_since) if pod.ready else pod.waiting == CRASH_LOOP
        return PluginState.BLIND if is_blind else None
    if has_gpus is None or not pod.ready:
        return None
    # An allocatable GPU was registered by this pod. Capacity alone may be that of the pod before it.
    is_own = moment.finds_gpus(node.allocatable) or moment.has_passed(STALE_CAPACITY, pod.ready_since)
    return PluginState.HEALTHY if is_own else None


def _next(known: Observation | None, state: PluginState, moment: Moment) -> Observation:
    if known is None:
        return Observation(state, moment.now)
    if state is known.state:
        return known if known.blind_since is None else replace(known, blind_since=None)
    if state is PluginState.HEALTHY:
        return Observation(state, moment.now)
    if known.blind_since is None:
        return replace(known, blind_since=moment.now)
    return Observation(state, moment.now) if moment.has_passed(SETTLING, known.blind_since) else known


def _bounded(
    entries: Mapping[ObservationKey, Observation], seen: frozenset[ObservationKey]
) -> Mapping[ObservationKey, Observation]:
    """Keep what is seen now and then the newest, up to the limit."""
    if len(entries) <= MAX_OBSERVATIONS:
        return entries

    def rank(key: ObservationKey) -> tuple[bool, float]:
        since = entries[key].since
        return key in seen, since.timestamp() if since else 0.0

    kept = sorted(entries, key=rank, reverse=True)[:MAX_OBSERVATIONS]
    return {key: entries[key] for key in kept}
