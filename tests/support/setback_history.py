"""One node with one plugin's pod through time, which the webhook decides on and looks at: for random histories."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta

from support.plugin_world import PRESENT, daemon_set, runtime_class, view
from support.setback_world import BLOCKED, GPU, NODE, NOW, READY, at, by_recipe, started
from webhook.decide.decision import RequestInfo
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.plugin.unserved_plugins import CREATOR, next_pod
from webhook.observations.setback import Setbacks
from webhook.observations.setback_tracking import LEFT, due, look_at_pods, with_released
from webhook.observations.stored_state import StoredState, read_state, write_state
from webhook.policy.model import Policy
from webhook.view.view import Node, PluginPod

RECIPES = ("runtime-class", "nvml")
CLASS, NVML = RECIPES
DAY = 24 * 60
PATIENCE = 5
# The node may lose the handler, and get it back.
HANDLERS = (frozenset({"", "runc", "nvidia"}), frozenset({"", "runc"}))
# This version cannot use a driver root.
IMAGE = "nvcr.io/nvidia/k8s-device-plugin:v0.14.5"
CONTAINER = {"name": "nvidia-device-plugin-ctr", "image": IMAGE}
CLUSTER = view(daemon_set("plugin", containers=[CONTAINER]), runtime_class())
HOST = replace(NODE, labels=PRESENT, os_image="Ubuntu 24.04.3 LTS", architecture="amd64")
FACTS = RequestInfo("kube-system", username=CREATOR)


@dataclass(slots=True)
class World:
    """One node with one plugin's pod, minute by minute. A pod that started runs on until the node boots."""

    minute: int = 0
    nodes: int = 0
    boots: int = 0
    kind: int = 0
    policy: int = 0
    created: int = 0
    broken: frozenset[str] = frozenset()
    away_until: int = -PATIENCE
    pulled_at: int = 0
    recipe: str = ""
    is_running: bool = False
    since: int = 0
    setbacks: Setbacks = field(default_factory=lambda: Setbacks(policy="0"))
    failures: dict[tuple[object, ...], tuple[str, int]] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)

    @property
    def node(self) -> Node:
        """Return the node as it is now."""
        gpus = GPU if self.is_running and self.recipe else {}
        is_away = self.minute < self.away_until
        return replace(
            HOST,
            capacity=gpus,
            allocatable=gpus,
            boot_id=f"boot-{self.boots}",
            handlers=HANDLERS[self.kind % len(HANDLERS)],
            ready=not is_away,
            ready_since=at(self.away_until).now,
        )

    @property
    def pod(self) -> PluginPod:
        """Return the plugin's pod as it is now."""
        pod = READY if self.is_running else BLOCKED
        if self.is_pulling:
            pod = started(pod, sandbox=True)
        pod = replace(started(pod, unready_since=at(self.since).now), uid=self.uid, ready_since=at(self.since).now)
        return by_recipe(pod, self.recipe) if self.recipe else replace(pod, recipe="", decision=LEFT)

    @property
    def uid(self) -> str:
        """Return the pod's UID."""
        return f"pod-{self.created}"

    @property
    def is_pulling(self) -> bool:
        """Say whether the pod waits for its image."""
        return self.minute < self.pulled_at

    @property
    def conditions(self) -> tuple[object, ...]:
        """Return what a failure holds for."""
        return (self.nodes, self.boots, self.kind, self.policy)

    def act(self, action: object) -> None:
        """Let one thing happen."""
        name, *arguments = action if isinstance(action, tuple) else (action,)
        getattr(self, str(name))(*arguments)

    def set_broken(self, recipes: set[str]) -> None:
        """Break these recipes on the node, and mend the others."""
        self.broken = frozenset(recipes)

    def wait(self, minutes: int) -> None:
        """Let minutes pass, with a look after each."""
        for _ in range(minutes):
            self.minute += 1
            if not self.is_running and self._can_start():
                self.is_running, self.since = True, self.minute
            self.look()

    def look(self) -> None:
        """Look at the pod, and keep a record of our own of what anyone can see."""
        pods, nodes = {self.uid: self.pod}, {NODE.name: self.node}
        self.setbacks = look_at_pods(self.setbacks, pods, nodes, (), at(self.minute))
        key = (*self.conditions, self.recipe)
        if self.recipe and self.is_running and self.minute >= self.away_until:
            self.failures.pop(key, None)
        is_steady = min(self.minute - self.since, self.minute - self.away_until) >= PATIENCE
        if self.recipe and not self.is_running and not self.is_pulling and is_steady:
            known = self.failures.get(key)
            if known is None or known[0] != self.uid:
                self.failures[key] = (self.uid, self.minute)

    def boot(self) -> None:
        """Boot the node: its pods start again."""
        self.boots += 1
        self.restart_runtime(1)
        self.is_running = False

    def restart_runtime(self, minutes: int) -> None:
        """Take the runtime away for some minutes; a pod that has not started goes on waiting."""
        self.away_until = self.minute + minutes
        self.since = self.minute

    def change_kind(self) -> None:
        """Change the runtime's handlers. Each change forgets the failures, also one that is taken back later."""
        self.kind += 1

    def replace_node(self) -> None:
        """Delete the node with its pods, and create another one of that name."""
        self.nodes += 1
        self.setbacks = look_at_pods(self.setbacks, {}, {}, (), at(self.minute))
        self.restart_runtime(1)
        self.recreate()

    def restart_webhook(self) -> None:
        """Start the webhook again: it knows what is stored."""
        stored = read_state(write_state(StoredState(setbacks=self.setbacks))).setbacks
        self.setbacks = stored.under(str(self.policy)).as_of(NOW + timedelta(minutes=self.minute))

    def change_policy(self) -> None:
        """Start the webhook with another policy."""
        self.policy += 1
        self.setbacks = self.setbacks.under(str(self.policy))

    def pull_image(self, minutes: int) -> None:
        """Delete the pod; the next one waits for its image."""
        self.recreate()
        self.pulled_at = self.minute + minutes

    def recreate(self) -> None:
        """Delete the pod; the next one gets what the webhook decides."""
        self.created += 1
        self.is_running, self.since, self.pulled_at = False, self.minute, 0
        self.recipe = self.next_recipe()
        known = self.failures.get((*self.conditions, self.recipe))
        assert known is None or self.minute - known[1] >= 60, f"{self.recipe} is applied again"
        assert self.recipe != NVML or not self.has_handler, "privileges take the place of a class that the node has"

    @property
    def has_handler(self) -> bool:
        """Say whether the node reports the class's handler."""
        return "nvidia" in (self.node.handlers or ())

    @property
    def first_recipe(self) -> str:
        """Return the recipe of a node on which none has failed."""
        return CLASS if self.has_handler else NVML

    def next_recipe(self) -> str:
        """Return the recipe that the webhook would give to the next pod, empty for none."""
        known = replace(CLUSTER, nodes={NODE.name: self.node}, setbacks=self.setbacks)
        (owner,) = (known.daemon_sets or {}).values()
        word = decide_plugin(next_pod(owner, NODE.name), FACTS, Policy(), known).word
        assert word in (LEFT, *(f"bootstrap/{recipe}" for recipe in RECIPES))
        return word.removeprefix("bootstrap/").replace(LEFT, "")

    def release(self) -> None:
        """Delete the pods that are due, once each."""
        for found, pod in list(due(self.setbacks, [self.pod])):
            assert not pod.ready
            self.setbacks = with_released(self.setbacks, [found])
            self.released.append(pod.uid)
            self.recreate()

    def _can_start(self) -> bool:
        # The runtime's handlers are back some minutes after the node.
        is_back = self.minute >= self.away_until + PATIENCE - 1
        is_broken = self.recipe in self.broken or (self.recipe == CLASS and not self.has_handler)
        return is_back and not self.is_pulling and not is_broken


def played(actions: list[object], broken: Collection[str] = ()) -> World:
    """Let actions happen, with a minute after each; these recipes are broken from the first on."""
    world = World(broken=frozenset(broken))
    world.recreate()
    for action in actions:
        world.act(action)
        world.wait(1)
    return world
