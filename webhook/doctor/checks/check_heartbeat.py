"""The first check: whether the API server calls the webhook at all, and if not, why."""

from webhook.doctor.check import Result, fails_on
from webhook.doctor.checks.check_installation import endpoints_of
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import CannotTellError, known
from webhook.names import HEARTBEAT_ENTRY
from webhook.registration.causes import Evidence, cause_of, platform_of


def heartbeat(facts: ClusterFacts) -> Result:
    """A ConfigMap of our namespace, sent as a server-side dry-run, comes back with the webhook's mark."""
    tried = known(facts.heartbeat)
    if tried.answered_by:
        return fails_on((), otherwise=f"answered by {tried.answered_by}")
    cause = tried.error or cause_of(_evidence(facts, tried.seconds))
    return fails_on(
        [f"the API server does not call the webhook: {cause}"],
        f"kubectl -n {facts.home} get pods,service,endpointslices",
        "what to do for each cause: docs/troubleshooting.md#the-api-server-does-not-call-the-webhook",
    )


def _evidence(facts: ClusterFacts, seconds: float) -> Evidence:
    try:
        registration, unreadable = facts.registration, ""
    except CannotTellError as error:
        registration, unreadable = None, str(error)
    return Evidence(
        policy=facts.policy,
        home=facts.home,
        registration=registration,
        unreadable=unreadable,
        accepts=_accepts(facts),
        endpoints=_endpoints(facts),
        seconds=seconds,
        platform=_platform(facts),
    )


def _accepts(facts: ClusterFacts) -> bool | None:
    try:
        report = known(facts.certificates)
    except CannotTellError:
        return None
    return next((entry.accepts_leaf for entry in report.entries if entry.name == HEARTBEAT_ENTRY), None)


def _endpoints(facts: ClusterFacts) -> int | None:
    try:
        return len(endpoints_of(facts))
    except CannotTellError:
        return None


def _platform(facts: ClusterFacts) -> str:
    try:
        return next((found for node in facts.node_facts.values() if (found := platform_of(node.labels))), "")
    except CannotTellError:
        return ""
