"""The command that re-creates a pod, with the real names."""

from typing import Any

import pytest

from webhook.kube.recreate_command import recreate_command, recreate_commands

RESTART = "kubectl -n ml rollout restart"
REPLACE = "kubectl -n ml replace --force -f FILE  "


def item(kind: str = "Pod", owner: str = "", **labels: str) -> dict[str, Any]:
    """Return an object of namespace ml, named a; ``owner`` is KIND/NAME of its controller."""
    above, _, name = owner.partition("/")
    owners = [{"kind": above, "name": name, "controller": True}] if owner else []
    return {"kind": kind, "metadata": {"namespace": "ml", "name": "a", "labels": labels, "ownerReferences": owners}}


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (item("Deployment"), f"{RESTART} deployment/a"),
        (item("StatefulSet"), f"{RESTART} statefulset/a"),
        (item("DaemonSet"), f"{RESTART} daemonset/a"),
        (item("Job"), f"{REPLACE} (FILE is the manifest of Job a)"),
        (item("PyTorchJob"), "kubectl -n ml get pods   (delete those of PyTorchJob a, so that it creates others)"),
        (item(owner="ReplicaSet/d-5b9f", **{"pod-template-hash": "5b9f"}), f"{RESTART} deployment/d"),
        (item(owner="ReplicaSet/d-5b9f"), "kubectl -n ml delete pod a   (ReplicaSet d-5b9f creates another one)"),
        (item(owner="StatefulSet/db"), f"{RESTART} statefulset/db"),
        (item(owner="DaemonSet/agent"), f"{RESTART} daemonset/agent"),
        (item(owner="Job/train"), f"{REPLACE} (FILE is the manifest of Job train)"),
        (item(owner="PyTorchJob/t"), "kubectl -n ml delete pod a   (PyTorchJob t creates another one)"),
        (item(), f"{REPLACE} (FILE is the manifest of pod a: it has no controller)"),
    ],
)
def test_the_controller_is_named(given: dict[str, Any], command: str) -> None:
    """Kinds that kubectl can restart are restarted; most others replace a deleted pod, but a Job may fail."""
    assert recreate_command(given) == command


def test_pods_of_a_list_have_no_kind() -> None:
    """The API server leaves it out; each command is shown once, and only some of many."""
    pods = [{"metadata": item(owner=f"StatefulSet/s{number // 2}")["metadata"]} for number in range(9)]
    assert recreate_commands(pods, 2) == (f"{RESTART} statefulset/s0", f"{RESTART} statefulset/s1")
