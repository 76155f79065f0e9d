"""Reports of node facts that do not count are logged, once."""

from typing import Any

import pytest
from support.node_reports import facts_daemon_set, facts_pod

from webhook.node_facts.facts_report import MAX_BYTES, NodeFacts
from webhook.server.ignored_reports import FOREIGN, NOT_CURRENT, IgnoredReports
from webhook.view.node_facts_pods import DAMAGED, TOO_LONG
from webhook.view.projections import view_of

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
