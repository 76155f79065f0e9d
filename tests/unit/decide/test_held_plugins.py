"""Plugin pods that were left alone because a patch had failed: the end of a setback's time does not release them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.plugin_world import daemon_set, node, pod_of, view

from webhook.controllers.event_texts import texts_of
from webhook.decide.plugin.unserved_plugins import LEFT, unserved_plugins
from webhook.observations import setback_tracking
from webhook.observations.setback import Setback, SetbackKey, SetbackKind, Setbacks
from webhook.policy.model import Bootstrap, Policy
from webhook.view.view import ClusterView

ROOT = "gpu-injector-driver-root"
EVICT = Policy(bootstrap=Bootstrap(repair="evict"))
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


def test_a_person_is_told_that_the_patch_may_be_tried_again() -> None:
    """Nothing else would say why the plugin is idle; it is never evicted for that."""
    known = replace(left(LEFT), setbacks=EXPIRED)
    for policy in (Policy(), EVICT):
        (note,) = texts_of(unserved_plugins(known, policy, 0), policy)
        assert note.reason == "SetbackOver"
        assert note.text == (
            "plugin pods without our patch, because it had failed, find no GPU (nodes: gpu-1). "
            f"To try the patch again: kubectl -n kube-system rollout restart daemonset/{KEY.daemon_set}"
        )


def without_effect(pod: str, kind: SetbackKind = SetbackKind.NO_GPU) -> ClusterView:
    """Return a view with a pod that runs with a driver root and finds no GPU, and the failure of this pod (by UID)."""
    image = "nvcr.io/nvidia/k8s-device-plugin:v0.18.2"
    container = {"name": "nvidia-device-plugin-ctr", "image": image}
    owner = daemon_set(containers=[container])
    mounted = {**container, "volumeMounts": [{"name": ROOT, "mountPath": "/driver-root/usr"}]}
    volumes = [{"name": ROOT, "hostPath": {"path": "/usr"}}]
    running = pod_of(owner, "gpu-1", containers=[mounted], volumes=volumes)
    running["metadata"]["annotations"] = {"gpu-injector.io/decision": "bootstrap/driver-root"}
    known = view(node("gpu-1"), owner, running)
    key = KEY._replace(recipe="driver-root")
    until, host = THEN + timedelta(hours=1), (known.nodes or {})["gpu-1"].host
    found = Setback(key, kind, "", THEN, until, host=host, pod=pod)
    return replace(known, setbacks=Setbacks({key: found}))


RUNNING = f"uid-of-{KEY.daemon_set}-gpu-1"


def test_a_patch_without_effect_makes_way_for_the_next_recipe() -> None:
    """The pod runs, so it is evicted only where the policy says so."""
    known = without_effect(RUNNING)
    (found,) = unserved_plugins(known, EVICT, 0)
    assert (found.is_repairable, found.decision.word) == (True, "bootstrap/nvml")
    (note,) = texts_of([found], EVICT)
    assert (note.reason, note.text) == (
        "PatchWithoutEffect",
        "plugin pods whose patch has no effect find no GPU (nodes: gpu-1). The pods are evicted one at a time.",
    )


@pytest.mark.parametrize(
    "known", [without_effect("an earlier pod"), without_effect(RUNNING, SetbackKind.BLOCKED)], ids=["other pod", "kind"]
)
def test_another_failure_says_nothing_of_a_pod_that_runs(known: ClusterView) -> None:
    """The pod may have started since."""
    assert list(unserved_plugins(known, EVICT, 0)) == []


def test_the_decision_has_the_word_that_setbacks_look_for() -> None:
    """Observations are below decisions: they know the decision by its word alone."""
    assert LEFT == setback_tracking.LEFT
