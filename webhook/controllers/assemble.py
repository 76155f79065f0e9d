"""Builds the rounds of one replica with all their parts."""

from certs.api import Installation
from certs.state_events import StateEvents
from webhook.controllers.event_recorder import EventRecorder
from webhook.controllers.leader import Lease
from webhook.controllers.plugin_release import Evictor
from webhook.controllers.plugin_rounds import PluginRounds
from webhook.controllers.reachability_check import ReachabilityCheck
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.policy.model import Policy
from webhook.server.decide_live import ViewSource
from webhook.server.decision_log import Metrics


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
) -> PluginRounds:
    """Return the rounds of the replica ``who``; they evict if the policy says ``repair: evict``."""
    events = EventRecorder(client, who, clock)
    evictor = Evictor(
        client,
        source,
        lease=Lease(client, installation, who, clock),
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
