"""Evictions never accumulate and never loop, for every behaviour of the pods."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from webhook.controllers.release_history import choose, with_eviction
from webhook.decide.decision import Decision, Reason, Verdict
from webhook.decide.plugin.unserved_plugins import UnservedPlugin
from webhook.observations.eviction import History
from webhook.observations.stored_state import StoredState, read_state, write_state
from webhook.view.view import ClusterView, Node, Nvml, Plugin, PluginDaemonSet, PluginPod

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
OWNER = PluginDaemonSet(Plugin("kube-system", "plugin"), "owner")
REPAIRABLE = Decision(Verdict.BOOTSTRAP, Reason.NVML)
NODES = ("gpu-1", "gpu-2", "gpu-3")


@dataclass
class Cluster:
    """A node's pod is blind, away (evicted, its successor still to come) or healed; the number counts its pods."""

    now: datetime = START
    history: History = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NODES, "blind"))
    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 0))
    evicted: dict[str, tuple[datetime, int]] = field(default_factory=dict)

    def choose(self) -> UnservedPlugin | None:
        """Ask which pod to evict now."""
        pods = {node: self._pod(node) for node, state in self.states.items() if state != "away"}
        view = ClusterView(nodes={node: Node(node) for node in NODES}, plugin_pods=pods, daemon_sets={"plugin": OWNER})
        blind = [UnservedPlugin(pod, OWNER, REPAIRABLE) for node, pod in pods.items() if self.states[node] == "blind"]
        return choose(blind, self.history, view, self.now)

    def check(self, found: UnservedPlugin) -> None:
        """One at a time, once an hour for each node, and no other while a successor is blind."""
        last_hour = {node: number for node, (at, number) in self.evicted.items() if self.now - at < HOUR}
        assert self.states[found.pod.node] == "blind"
        assert found.pod.node not in last_hour
        for node, number in last_hour.items():
            was_refused = self.numbers[node] == number and self.states[node] == "blind"
            assert self.states[node] == "healed" or was_refused

    def evict(self, found: UnservedPlugin, *, refused: bool) -> None:
        """Record it, and evict the pod."""
        node = found.pod.node
        stored = StoredState(evictions=with_eviction(self.history, found, self.now))
        self.history = read_state(write_state(stored)).evictions
        self.evicted[node] = (self.now, self.numbers[node])
        if not refused:
            self.states[node] = "away"

    def come_back(self, state: str) -> None:
        """Let the successors of evicted pods come."""
        for node in NODES:
            if self.states[node] == "away":
                self.states[node] = state
                self.numbers[node] += state != "away"

    def _pod(self, node: str) -> PluginPod:
        nvml = Nvml.MOUNT if self.states[node] == "healed" else Nvml.NEITHER
        plugin = Plugin("kube-system", f"plugin-{node}", nvml=nvml)
        return PluginPod(plugin, f"{node}-{self.numbers[node]}", node, "owner", running=True, ready=True)


STEPS = st.lists(
    st.tuples(st.integers(0, 70), st.booleans(), st.sampled_from(["healed", "blind", "away"])), min_size=2, max_size=40
)


@given(STEPS)
def test_evictions_neither_pile_up_nor_loop(steps: list[tuple[int, bool, str]]) -> None:
    """For every sequence of events: minutes pass, pods come back healed, blind or not at all, evictions are refused."""
    cluster = Cluster()
    for minutes, refused, state in steps:
        if found := cluster.choose():
            cluster.check(found)
            cluster.evict(found, refused=refused)
        cluster.now += minutes * MINUTE
        cluster.come_back(state)


def test_every_pod_has_its_turn() -> None:
    """If evictions help, all pods are healed."""
    cluster = Cluster()
    for _ in NODES:
        found = cluster.choose()
        assert found
        cluster.evict(found, refused=False)
        assert cluster.choose() is None
        cluster.come_back("healed")
    assert set(cluster.states.values()) == {"healed"}
