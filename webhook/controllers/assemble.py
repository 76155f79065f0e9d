"""One replica's rounds, with all the parts that they need."""

from certs.api import ApiServer, Installation
from certs.clock import Clock
from certs.state_events import StateEvents
from webhook.controllers.event_recorder import Events
from webhook.controllers.leader import Lease
from webhook.controllers.plugin_release import Evictor
from webhook.controllers.plugin_rounds import Rounds
from webhook.controllers.reachability_check import Proof
from webhook.policy.model import Policy
from webhook.server.decide_live import ViewSource
from webhook.server.decision_log import Metrics


def join_rounds(  # noqa: PLR0913 - each is said by the caller or replaced by a test
    api: ApiServer,
    installation: Installation,
    policy: Policy,
    source: ViewSource,
    *,
    who: str,
    metrics: Metrics,
    state_events: StateEvents,
    clock: Clock,
) -> Rounds:
    """Return the rounds of the replica ``who``; they evict where the policy says ``repair: evict``."""
    events = Events(api, who, clock)
    evictor = Evictor(
        api,
        source,
        lease=Lease(api, installation, who, clock),
        proof=Proof(api, installation),
        events=events,
        metrics=metrics,
        state_events=state_events,
        clock=clock,
    )
    repairer = evictor if policy.bootstrap.repair == "evict" else None
    return Rounds(
        policy, source, metrics=metrics, events=events, state_events=state_events, repairer=repairer, clock=clock
    )
