"""One replica's rounds, with all the parts that they need."""

from certs.api import ApiServer, Installation
from certs.changes import Changes
from certs.clock import Clock
from webhook.policy import Policy
from webhook.repair.events import Events
from webhook.repair.evict import Evictor
from webhook.repair.lease import Lease
from webhook.repair.proof import Proof
from webhook.repair.rounds import Rounds
from webhook.server.looks import ViewSource
from webhook.server.observe import Metrics


def join_rounds(  # noqa: PLR0913 - each is said by the caller or replaced by a test
    api: ApiServer,
    installation: Installation,
    policy: Policy,
    source: ViewSource,
    *,
    who: str,
    metrics: Metrics,
    changes: Changes,
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
        changes=changes,
        clock=clock,
    )
    repairer = evictor if policy.bootstrap.repair == "evict" else None
    return Rounds(policy, source, metrics=metrics, events=events, changes=changes, repairer=repairer, clock=clock)
