"""Plugin pods that were left alone because a patch had failed: the end of a setback's time does not release them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.plugin_world import daemon_set, node, pod_of, view

from webhook.decide.plugin.unserved_plugins import LEFT, unserved_plugins
from webhook.observations import setback_rules
from webhook.observations.setback import Setback, SetbackKey, SetbackKind, Setbacks
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

OWNER = daemon_set()
KEY = SetbackKey("kube-system", OWNER["metadata"]["name"], "gpu-1", "nvml")
THEN = datetime(2026, 1, 1, tzinfo=UTC)
EXPIRED = Setbacks({KEY: Setback(KEY, SetbackKind.BLOCKED, "", THEN, THEN)}, expired=frozenset({KEY}))


def left(decision: str) -> ClusterView:
    """Return a view with a pod that runs without a GPU, by this decision of ours."""
    pod = pod_of(OWNER, "gpu-1")
    pod["metadata"]["annotations"] = {"gpu-injector.io/decision": decision}
    return view(node("gpu-1"), OWNER, pod)


@pytest.mark.parametrize(
    ("decision", "setbacks", "is_repairable"),
    [
        (LEFT, EXPIRED, False),
        (LEFT, Setbacks(), True),
        ("leave/driver-unknown", EXPIRED, True),
        (LEFT, Setbacks({KEY._replace(node="gpu-2"): EXPIRED.entries[KEY]}), True),
    ],
)
def test_expiry_releases_no_pod(decision: str, setbacks: Setbacks, is_repairable: bool) -> None:  # noqa: FBT001
    """While the failure is remembered; another kind of node, boot or policy forgets it."""
    (found,) = unserved_plugins(replace(left(decision), setbacks=setbacks), Policy(), 0)
    assert found.is_repairable == is_repairable


def test_the_decision_has_the_word_that_setbacks_look_for() -> None:
    """Observations are below decisions: they know the decision by its word alone."""
    assert LEFT == setback_rules.LEFT
