"""The corpus of `make hostile` without a server: what each input is answered, and that the work for it is bounded.

Work is counted in calls of functions, not in time: a pass over user data that is nested in another would show.
"""

import sys
from functools import cache
from types import FrameType
from typing import Any

import pytest
from fuzz.edge import Edge
from hostile.corpus import REVIEW_BYTES, hostile_view, inputs, small_review
from hostile.server import RUNTIME_CLASS

from webhook.policy.model import Policy
from webhook.view.projections import view_of

CORPUS = {item.name: item for item in inputs()}
NODES = 300
# Measured: 60,000 at most, for 5,000 mounts of many levels. A scan of the nodes for each value would be millions.
MOST_CALLS = 250_000
# The least sizes that matter: just within each limit, where the most work is done.
WITHIN = (240, 990, 4900)
# By what an input is stopped when it is as large as a review may be. The others are decided on in bounded time.
TOO_LARGE = {
    *("many GPU resources", "many other resources", "GPU containers", "containers without a GPU"),
    *("init containers", "variables in one container", "mounts in one container", "mounts in 250 containers"),
    *("volumes", "1,000 volumes, and containers that mount each", "volumes that have the names of ours"),
    *("tolerations", "keys of nodeSelector", "values of one expression with In", "values of one expression with NotIn"),
    *("values of one expression with Exists", "values of one expression with Gt", "expressions with Exists"),
    *("expressions with DoesNotExist", "expressions with Gt", "expressions with Lt over every label"),
    *("expressions with an unknown operator", "expressions over every label", "expressions over unknown labels"),
    *("terms", "matchFields with In", "matchFields with Exists", "matchFields with NotIn"),
    *("ephemeral containers", "ephemeral containers, before too", "a plugin of many containers"),
}
TOO_MANY_VALUES = {
    *("a name that is a list", "empty lists, wide", "empty objects, wide", "lists of lists", "small objects"),
    *("numbers", "short texts", "only brackets", "only commas", "lists without an end", "many groups"),
    *("empty lists at an unknown path", "empty containers", "empty terms"),
    *("an object without a template", "an object without a template, before too"),
}
MALFORMED = {
    *("a long uid", "a long operation", "no JSON", "white space", "a number of many digits", "quotation marks"),
    *("backslashes", "bytes that are no UTF-8"),
}


@cache
def edge(verdict: str) -> Edge:
    """Return a webhook over a large view, with or without a RuntimeClass."""
    objects = hostile_view(NODES)["items"]
    classes = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClassList", "items": []}
    policy = Policy() if verdict == "inject" else Policy.model_validate({"fallback": "on", "hostPathGranted": True})
    return Edge(view_of([*objects, RUNTIME_CLASS if verdict == "inject" else classes]), policy)


async def answered(path: str, body: bytes, verdict: str) -> tuple[int, str, int]:
    """Return status and decision of a body, and how many calls of Python functions it took."""
    calls = 0

    def count(_: FrameType, event: str, __: Any) -> None:  # noqa: ANN401 - sys.setprofile's
        nonlocal calls
        if event == "call":
            calls += 1

    asked = edge(verdict)
    # What is made once, whatever is sent.
    await asked.ask(path, small_review())
    asked.observer.recent.clear()
    sys.setprofile(count)
    try:
        status, _ = await asked.ask(path, body)
    finally:
        sys.setprofile(None)
    records = [record.decision.word for record in asked.observer.recent]
    return status, records[0] if records else "", calls


@pytest.mark.parametrize("name", CORPUS)
async def test_the_work_for_any_input_is_bounded(name: str) -> None:
    """Just within each limit, where the most is done, and at its largest, where its answer names what stopped it."""
    item = CORPUS[name]
    largest = item.largest(REVIEW_BYTES)
    status, decision = 0, ""
    for size in (*(size for size in WITHIN if size < largest), largest):
        body = item.make(size)
        for verdict in ("mount", "inject"):
            status, decision, calls = await answered(item.path, body, verdict)
            assert status in (200, 400, 413), size
            assert calls < MOST_CALLS, (size, calls)
    assert status == (413 if name in TOO_MANY_VALUES else 400 if name in MALFORMED else 200)
    assert (decision == "leave/too-large") == (name in TOO_LARGE)


def test_the_corpus_is_as_large_as_was_promised() -> None:
    """Forty at least, and each set above names inputs that there are."""
    assert len(CORPUS) >= 40
    assert CORPUS.keys() >= TOO_LARGE | TOO_MANY_VALUES | MALFORMED
