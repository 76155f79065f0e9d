"""One replica's rounds, with all the parts that they need."""

from collections.abc import Callable
from dataclasses import dataclass

from certs.api import Installation
from certs.state_events import Changes, OnChange
from webhook.controllers.blocked_pods import BlockedPods
from webhook.controllers.event_recorder import Events
from webhook.controllers.leadership import Leadership
from webhook.controllers.plugin_release import Evictor
from webhook.controllers.plugin_rounds import Rounds
from webhook.controllers.reachability_check import Proof
from webhook.controllers.setback_watch import Parts, SetbackWatch
from webhook.controllers.state_store import StateStore
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.observations.stored_state import State
from webhook.policy.model import Policy
from webhook.server.decide_live import ViewSource
from webhook.server.decision_log import Metrics


@dataclass(frozen=True, slots=True)
class Shared:
    """What all rounds of one replica share: the state, and the Lease under which it is written."""

    store: StateStore
    leadership: Leadership


def ignore(*_: object, **_facts: object) -> None:
    """Take no note."""


def share(  # noqa: PLR0913 - each is said by the caller or replaced by a test
    client: KubeClient,
    installation: Installation,
    policy: Policy,
    *,
    who: str,
    clock: Clock,
    take: Callable[[State], None] = ignore,
    tell: OnChange = ignore,
) -> Shared:
    """Return what the rounds of the replica ``who`` share; ``take`` gets the state, ``tell`` hears of its watch."""
    store = StateStore(client, installation, policy, take=take, tell=tell, clock=clock)
    return Shared(store, Leadership(client, installation, who, clock))


def join_rounds(  # noqa: PLR0913 - each is said by the caller or replaced by a test
    client: KubeClient,
    installation: Installation,
    policy: Policy,
    source: ViewSource,
    *,
    who: str,
    metrics: Metrics,
    changes: Changes,
    clock: Clock,
    shared: Shared | None = None,
) -> Rounds:
    """Return the rounds of the replica ``who``; they evict where the policy says ``repair: evict``."""
    events = Events(client, who, clock)
    shared = shared or share(client, installation, policy, who=who, clock=clock)
    evictor = Evictor(
        client,
        source,
        leadership=shared.leadership,
        store=shared.store,
        proof=Proof(client, installation),
        events=events,
        metrics=metrics,
        changes=changes,
        clock=clock,
    )
    repairer = evictor if policy.bootstrap.repair == "evict" else None
    return Rounds(policy, source, metrics=metrics, events=events, changes=changes, repairer=repairer, clock=clock)


def join_setbacks(  # noqa: PLR0913 - each is said by the caller or replaced by a test
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
        events=Events(client, who, clock),
        metrics=metrics,
        changes=Changes(tell),
        clock=clock,
    )
    return SetbackWatch(parts)
