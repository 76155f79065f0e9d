"""Replicas that keep setbacks over one fake API server, on fake time: plugin pods that our patch blocks."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from support.cluster_world import session
from support.fake_api import FakeApi
from support.fake_time import FakeTime
from support.plugin_world import Json, daemon_set, namespace, node, pod_of
from support.repair_world import INSTALLATION, PODS, START
from webhook.controllers.assemble import assemble_setbacks, share
from webhook.controllers.setback_watch import ROUND_SECONDS, SetbackWatch
from webhook.controllers.state_store import StateStore
from webhook.kube_client.clock import Clock
from webhook.observations.stored_state import NO_STATE, StoredState, read_state
from webhook.policy.model import Policy
from webhook.server.metrics import Metrics
from webhook.view.projections import view_of
from webhook.view.view import ClusterView

CONFIG_MAPS = "/api/v1/namespaces/gpu-injector/configmaps"
STATE = f"{CONFIG_MAPS}/gpu-injector-state"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/gpu-injector/leases"
LIMITS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
EVENTS = "/api/v1/namespaces/kube-system/events"
NO_RUNTIME = 'Failed to create pod sandbox: no runtime for "nvidia" is configured'


@dataclass(slots=True)
class SharedView:
    """A view that shows the fake API server's objects at once, with the state that a replica took."""

    fake: FakeApi
    state: StoredState = NO_STATE
    age_seconds: float = 0.0

    @property
    def view(self) -> ClusterView:
        """Return the view of this moment."""
        found = view_of(self.fake.store.objects.values())
        return replace(found, setbacks=self.state.setbacks)

    def take(self, state: StoredState) -> None:
        """Take the state."""
        self.state = state

    def object_age_seconds(self, kind: str, name: str) -> float:  # noqa: ARG002  the protocol's
        """Return the age."""
        return self.age_seconds

    def oldest_age_seconds(self) -> float:
        """Return the age."""
        return self.age_seconds

    async def look(self, kind: str, name: str, timeout_seconds: float) -> bool:  # noqa: ARG002  the protocol's
        """Return False: there is nothing to read."""
        return False


@dataclass(slots=True)
class Replica:
    """One replica."""

    store: StateStore
    watch: SetbackWatch
    source: SharedView
    metrics: Metrics
    told: list[tuple[str, dict[str, object]]]

    def sample(self, name: str, **labels: str) -> float | None:
        """Return what a metric says."""
        return self.metrics.registry.get_sample_value(f"gpu_injector_{name}", labels)


@dataclass(slots=True)
class BlockedWorld:
    """The API server with a plugin's DaemonSet, the time, and the replicas."""

    fake: FakeApi
    time: FakeTime
    owner: Json
    replicas: list[Replica] = field(default_factory=list)

    def add(self, name: str, **status: Any) -> Json:  # noqa: ANN401
        """Add a GPU node, and a plugin pod with our patch that has been blocked on it for long."""
        self.fake.put(ready_node(name))
        return self.fake.put(blocked_pod(self.owner, name, **status))

    async def rounds(self, count: int = 1, each_seconds: float = ROUND_SECONDS) -> None:
        """Let every replica make so many rounds, and time pass after each."""
        for _ in range(count):
            for replica in self.replicas:
                await replica.watch.round()
                await replica.store.look(1)
            self.time.now += each_seconds

    @property
    def state(self) -> StoredState:
        """The state that is stored."""
        return read_state(self.fake.get(STATE)["data"]["state.json"])

    def asked(self, method: str, path: str) -> list[Any]:
        """Return the bodies of all requests of a method to a path, or to what is below it."""
        asked = (one for one in self.fake.requests if one.method == method and one.path.startswith(path))
        return [orjson.loads(one.body) if one.body else None for one in asked]

    def deleted(self) -> list[Any]:
        """Return the options of all deletions of pods."""
        return self.asked("DELETE", PODS)


def ready_node(name: str, **changes: Any) -> Json:  # noqa: ANN401
    """Return a GPU node that has been Ready for long."""
    made = node(name)
    made["status"]["nodeInfo"]["bootID"] = "boot-1"
    made["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": written(-60)}]
    made["status"] |= changes
    return made


def blocked_pod(owner: Json, node_name: str, since: float = -10, **status: Any) -> Json:  # noqa: ANN401
    """Return a plugin pod under the class that waits for its sandbox; ``since`` is in minutes from the start."""
    made = pod_of(owner, node_name, ready=False, phase="Pending", runtimeClassName="nvidia")
    made["metadata"]["annotations"] = {"gpu-injector.io/decision": "bootstrap/runtime-class"}
    conditions = [
        {"type": kind, "status": "False", "lastTransitionTime": written(since)}
        for kind in ("Ready", "PodReadyToStartContainers")
    ]
    waiting = {"name": "nvidia-device-plugin-ctr", "state": {"waiting": {"reason": "ContainerCreating"}}}
    made["status"] |= {"conditions": conditions, "containerStatuses": [waiting], "startTime": written(since)} | status
    return made


def event_about(pod: Json, message: str, namespace: str = "kube-system", **changes: Any) -> Json:  # noqa: ANN401
    """Return an Event about a pod."""
    metadata = pod["metadata"]
    about = {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.1", "namespace": namespace},
        "involvedObject": about,
        "reason": "FailedCreatePodSandBox",
        "message": message,
        **changes,
    }


def written(minutes: float) -> str:
    """Return a time as the API server writes it."""
    return (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


@asynccontextmanager
async def blocked_world(
    fake: FakeApi, folder: Path, policy: Policy | None = None, replicas: int = 1
) -> AsyncIterator[BlockedWorld]:
    """Have replicas with a session of their own each, the limit on deletions, and nothing done yet."""
    fake.put(namespace(), *(limit(kind) for kind in LIMITS))
    made = BlockedWorld(fake, FakeTime(), fake.put(daemon_set()))
    made.time.now = 0.0
    async with AsyncExitStack() as sessions:
        for number in range(replicas):
            client = await sessions.enter_async_context(session(fake, folder, made.time))
            made.replicas.append(_replica(made, client, policy or Policy(), f"replica-{number}"))
        yield made


def limit(kind: str) -> Json:
    """Return the policy that limits our deletions, or its binding."""
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "gpu-injector-deletes"}}


def _replica(made: BlockedWorld, client: Any, policy: Policy, who: str) -> Replica:  # noqa: ANN401
    told: list[tuple[str, dict[str, object]]] = []
    clock = Clock(
        now=lambda: START + timedelta(seconds=made.time.now),
        monotonic=lambda: made.time.now,
        sleep=made.time.sleep,
        uniform=lambda low, high: (low + high) / 2,
    )
    source, metrics = SharedView(made.fake), Metrics.create()
    tell = lambda event, /, **facts: told.append((event, facts))  # noqa: E731
    shared = share(client, INSTALLATION, policy, who=who, clock=clock, take=source.take, tell=tell)
    watch = assemble_setbacks(
        client, INSTALLATION, policy, source, who=who, shared=shared, tell=tell, metrics=metrics, clock=clock
    )
    return Replica(shared.store, watch, source, metrics, told)
