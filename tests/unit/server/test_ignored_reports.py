"""Reports of node facts that do not count are logged, once."""

from typing import Any

import pytest
from support.node_reports import facts_daemon_set, facts_pod

from webhook.node_facts.facts_report import MAX_BYTES, NodeFacts
from webhook.server.ignored_reports import FOREIGN, NO_BOOT_ID, NO_DAEMON_SET, NOT_CURRENT, IgnoredReports
from webhook.view.node_facts_pods import DAMAGED, NAMES_CLASS, TOO_LONG
from webhook.view.projections import view_of

FAILED = (
    "failed to create containerd task: OCI runtime create failed: nvidia-container-cli: initialization error: nvml "
    "error: driver not loaded: unknown"
)
UID = "uid-of-node-facts"
TRUE = NodeFacts(boot_id="b-1", gpus={"nvidia": 1})
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"nodeInfo": {"bootID": "b-1"}}}
POD = "gpu-injector/gpu-injector-node-facts-n"


class Log:
    """Keeps the events that it gets."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def __call__(self, event: str, /, **facts: Any) -> None:  # noqa: ANN401  as the log takes
        """Take an event."""
        self.told.append({"event": event, **facts})


@pytest.mark.parametrize(
    ("facts", "owner", "why"),
    [
        (TRUE, UID, ""),
        ("", UID, ""),
        (TRUE.to_text() + " " * MAX_BYTES, UID, TOO_LONG),
        ("{", UID, DAMAGED),
        ("Killed", UID, DAMAGED),
        (TRUE.to_text().replace('"version":1', '"version":2'), UID, DAMAGED),
        (TRUE.to_text().replace(":1}", ":-1}"), UID, DAMAGED),
        (TRUE, "uid-that-is-forged", FOREIGN),
        (NodeFacts(boot_id="b-0"), UID, NOT_CURRENT),
        (NodeFacts(), UID, NOT_CURRENT),
    ],
)
def test_a_report_that_is_ignored_is_logged_once(facts: NodeFacts | str, owner: str, why: str) -> None:
    """With its pod and the reason; a report that counts, or none yet, is not."""
    log = Log()
    ignored = IgnoredReports(log)
    view = view_of((NODE, facts_daemon_set(uid=UID), facts_pod("n", facts, owner)))
    ignored.look(view)
    assert log.told == ([{"event": "report-ignored", "reason": why, "pods": POD, "count": 1}] if why else [])
    ignored.look(view)
    assert len(log.told) == bool(why)


def test_many_are_one_line() -> None:
    """After an upgrade of the webhook alone, thousands of reports may have another version."""
    log = Log()
    pods = (facts_pod(f"n-{number}", "{", UID) for number in range(2000))
    IgnoredReports(log).look(view_of((NODE, facts_daemon_set(uid=UID), *pods)))
    (told,) = log.told
    assert (told["count"], len(told["pods"]) < 250) == (2000, True)


def test_a_report_that_is_ignored_again_is_logged_again() -> None:
    """It counted in between."""
    log = Log()
    ignored = IgnoredReports(log)
    for facts in ("{", TRUE, "{"):
        ignored.look(view_of((NODE, facts_daemon_set(uid=UID), facts_pod("n", facts, UID))))
    assert [one["reason"] for one in log.told] == [DAMAGED, DAMAGED]


def reason(*objects: dict[str, Any]) -> str:
    """Return the reason that is logged for a view of these objects, empty for none."""
    log = Log()
    IgnoredReports(log).look(view_of(objects))
    return "; ".join(one["reason"] for one in log.told)


def test_the_report_of_a_pod_with_a_class_is_logged() -> None:
    """Admission control may set one; what runs under a class shows nothing of the node."""
    pod = facts_pod("n", TRUE, UID)
    pod["spec"]["runtimeClassName"] = "kata"
    assert reason(NODE, facts_daemon_set(uid=UID), pod) == NAMES_CLASS
    pod["status"] = {}
    assert reason(NODE, facts_daemon_set(uid=UID), pod) == ""


@pytest.mark.parametrize("boot_id", ["", "b-1"])
def test_a_node_without_a_boot_id_proves_no_report(boot_id: str) -> None:
    """Nor one without a boot ID."""
    node = {**NODE, "status": {"nodeInfo": {}}}
    assert reason(node, facts_daemon_set(uid=UID), facts_pod("n", NodeFacts(boot_id=boot_id), UID)) == NO_BOOT_ID


def test_without_the_daemon_set_no_owner_is_blamed() -> None:
    """The webhook may lack the right to read it."""
    assert reason(NODE, facts_pod("n", TRUE, UID)) == NO_DAEMON_SET


def test_a_failure_in_a_foreign_pod_is_logged() -> None:
    """It would show that NVIDIA's runtime is the default."""
    pod = facts_pod("n", "", "uid-that-is-forged")
    failed = {"exitCode": 128, "reason": "StartError", "message": FAILED}
    pod["status"]["initContainerStatuses"][0]["state"] = {"terminated": failed}
    assert reason(NODE, facts_daemon_set(uid=UID), pod) == FOREIGN
