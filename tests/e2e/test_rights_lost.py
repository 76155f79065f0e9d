"""The webhook may not read what it decides by: it still answers, and sets nothing without evidence."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e.control_plane import ControlPlane
from e2e.installation import NAME, running_webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.pods import as_written, assert_warned, decision_of, pod, wait_for_decision
from e2e.processes import until

ACCOUNT = f"system:serviceaccount:{NAME}:{NAME}"


@contextmanager
def may_not_read(kubectl: Kubectl, resource: str) -> Iterator[None]:
    """Take the right to read one resource from the installed ClusterRole, and give it back."""
    role = kubectl.get("clusterrole", NAME)
    whole = {key: role[key] for key in ("apiVersion", "kind", "rules")} | {"metadata": {"name": NAME}}
    may = ("auth", "can-i", "list", resource, "--as", ACCOUNT)
    kubectl.apply([{**whole, "rules": [rule for rule in whole["rules"] if resource not in rule["resources"]]}])
    try:
        until(lambda: not kubectl.succeeds(*may), f"{ACCOUNT} may not read {resource}")
        yield
    finally:
        kubectl.apply([whole])
    until(lambda: kubectl.succeeds(*may), f"{ACCOUNT} may read {resource}")


@pytest.mark.parametrize(
    ("resource", "word", "warning"),
    [
        ("namespaces", "leave/namespace-unknown", ""),
        ("runtimeclasses", "leave/view-stale", 'RuntimeClass "nvidia" cannot be verified'),
    ],
    ids=["namespaces", "runtimeclasses"],
)
def test_what_cannot_be_read_is_never_guessed(
    plane: ControlPlane, webhook_port: int, resource: str, word: str, warning: str
) -> None:
    """The pod is created as its author wrote it, with the reason."""
    kubectl = plane.kubectl
    with may_not_read(kubectl, resource), running_webhook(plane, webhook_port):
        wait_for_decision(kubectl, word)
        created = kubectl.create(pod(ENABLED))
    assert created.object["spec"] == as_written(kubectl, pod(ENABLED))
    assert decision_of(created.object) == word
    assert_warned(created.warnings, warning)
