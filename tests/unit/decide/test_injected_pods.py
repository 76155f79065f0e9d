"""How many GPU pods of a namespace carry our patch."""

from typing import Any

import pytest

from webhook.decide.injected_pods import InjectedPods, injected_lines, no_pods_yet
from webhook.names import DECISION_KEY, INJECT_KEY
from webhook.policy.model import Policy


def pod(word: str = "", gpus: str = "1", phase: str = "Running", **labels: str) -> dict[str, Any]:
    """Return a pod with a decision."""
    marks = {DECISION_KEY: word} if word else {}
    limits = {"nvidia.com/gpu": gpus}
    return {
        "metadata": {"name": "p", "annotations": marks, "labels": labels},
        "spec": {"containers": [{"name": "c", "resources": {"limits": limits}}]},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        (pod("inject/runtime-class"), (1, 1, 0)),
        (pod("mount/handler-missing"), (1, 1, 0)),
        (pod("leave/cdi"), (0, 1, 0)),
        (pod(), (0, 1, 1)),
        (pod(gpus="0"), (0, 0, 0)),
        (pod(phase="Succeeded"), (0, 0, 0)),
        (pod(**{INJECT_KEY: "disabled"}), (0, 0, 0)),
        ({"metadata": None, "spec": []}, (0, 0, 0)),
        ({**pod(), "status": {"phase": {}}}, (0, 1, 1)),
    ],
)
def test_a_pod_is_counted(given: dict[str, Any], counts: tuple[int, int, int]) -> None:
    """Injected, of how many, and without an annotation."""
    found = InjectedPods()
    found.add(given, Policy())
    assert (found.injected, found.total, found.unseen) == counts


def test_few_names_are_kept() -> None:
    """However many pods there are."""
    found = InjectedPods()
    for _ in range(1000):
        found.add(pod(), Policy())
    assert list(injected_lines({"ml": found, "empty": InjectedPods()})) == [
        "ml: 0 of 1000 GPU pods injected; the webhook was not called for 1000, or failed: p, p, p and 997 more"
    ]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ({}, {"ml"}),
        ({INJECT_KEY: ""}, {"ml"}),
        ({INJECT_KEY: "disabled"}, set()),
        ({INJECT_KEY: "enabled"}, {"ml", "kube-system", "kube-public", "kube-node-lease"}),
    ],
)
def test_opt_out_does_not_count_system_namespaces(labels: dict[str, str], names: set[str]) -> None:
    """As the decision: these need the label, so without it the webhook is not called there."""
    given = dict.fromkeys(("ml", "kube-system", "kube-public", "kube-node-lease"), labels)
    assert no_pods_yet(given, Policy(opt_out=True)).keys() == names


@pytest.mark.parametrize(
    ("labels", "policy", "expected"),
    [
        ({INJECT_KEY: "enabled"}, Policy(), True),
        ({INJECT_KEY: "dry-run"}, Policy(), False),
        ({}, Policy(), False),
        ({INJECT_KEY: "enabled"}, Policy(dry_run=True), False),
    ],
)
def test_only_namespaces_that_are_patched_count(labels: dict[str, str], policy: Policy, expected: bool) -> None:  # noqa: FBT001
    """In a dry-run no pod carries an annotation."""
    assert ("ml" in no_pods_yet({"ml": labels}, policy)) is expected
