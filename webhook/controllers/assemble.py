"""Builds the rounds of one replica with all their parts."""

from collections.abc import Callable
from dataclasses import dataclass

from certs.api import Installation
from certs.state_events import OnChange, StateEvents
from webhook.controllers.blocked_pods import BlockedPods
from webhook.controllers.event_recorder import EventRecorder
from webhook.controllers.leadership import Leadership
from webhook.controllers.plugin_release import Evictor
from webhook.controllers.plugin_rounds import PluginRounds
from webhook.controllers.reachability_check import ReachabilityCheck
from webhook.controllers.setback_watch import Parts, SetbackWatch
from webhook.controllers.state_store import StateStore
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.observations.stored_state import StoredState
from webhook.observations.waits import DEFAULT_WAITS, Waits
from webhook.policy.model import Policy
from webhook.server.decide_live import ViewSource
from webhook.server.event_lookup import EventLookup
from webhook.server.metrics import Metrics
from webhook.server.workload_setbacks import WorkloadSetbacks


@dataclass(frozen=True, slots=True)
class Shared:
    """What all rounds of one replica share: the state, the Lease under which it is written, and the waits."""

    store: StateStore
    leadership: Leadership
    waits: Waits = DEFAULT_WAITS


def ignore(*_: object, **_facts: object) -> None:
    """Do nothing."""


def share(  # noqa: PLR0913 - each is set by the caller or replaced by a test
    client: KubeClient,
    installation: Installation,
    policy: Policy,
    *,
    who: str,
    clock: Clock,
    take: Callable[[StoredState], None] = ignore,
    tell: OnChange = ignore,
    waits: Waits = DEFAULT_WAITS,
) -> Shared:
    """Return what the rounds of the replica ``who`` share; ``take`` gets the state, ``tell`` its watch's events."""
    store = StateStore(client, installation, policy, take=take, tell=tell, clock=clock)
    return Shared(store, Leadership(client, installation, who, clock), waits)


def assemble_rounds(  # noqa: PLR0913 - each is set by the caller or replaced by a test
    client: KubeClient,
    installation: Installation,
    policy: Policy,
    source: ViewSource,
    *,
    who: str,
    metrics: Metrics,
    state_events: StateEvents,
    clock: Clock,
    shared: Shared | None = None,
) -> PluginRounds:
    """Return the rounds of the replica ``who``; they evict if the policy says ``repair: evict``."""
    events = EventRecorder(client, who, clock)
    shared = shared or share(client, installation, policy, who=who, clock=clock)
    evictor = Evictor(
        client,
        source,
        leadership=shared.leadership,
        store=shared.store,
        reachability=ReachabilityCheck(client, installation),
        events=events,
        metrics=metrics,
        state_events=state_events,
        clock=clock,
    )
    repairer = evictor if policy.bootstrap.repair == "evict" else None
    return PluginRounds(
        policy, source, metrics=metrics, events=events, state_events=state_events, repairer=repairer, clock=clock
    )


def assemble_setbacks(  # noqa: PLR0913 - each is set by the caller or replaced by a test
    client: KubeClient,
    installation: Installation,
    policy: Policy,
    source: ViewSource,
    *,
    who: str,
    shared: Shared,
    tell: OnChange,
    metrics: Metrics,
    clock: Clock,
) -> SetbackWatch:
    """Return the rounds of setbacks of the replica ``who``."""
    parts = Parts(
        policy=policy,
        source=source,
        store=shared.store,
        leadership=shared.leadership,
        pods=BlockedPods(client, installation, clock),
        events=EventRecorder(client, who, clock),
        metrics=metrics,
        state_events=StateEvents(tell),
        clock=clock,
        waits=shared.waits,
    )
    return SetbackWatch(parts)


def assemble_event_lookup(
    client: KubeClient, policy: Policy, metrics: Metrics, tell: OnChange, clock: Clock | None = None
) -> EventLookup | None:
    """Return what looks up the failures of workloads, None where the policy ignores them."""
    if not policy.setbacks.workloads:
        return None
    used = clock or Clock()
    return EventLookup(client, StateEvents(tell), WorkloadSetbacks(metrics.setbacks, used.monotonic), used)
