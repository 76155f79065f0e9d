"""Whatever is remembered, logged or shown of a request is small, with every field at its longest."""

import io
import json
from typing import Any

import orjson
import pytest
import structlog
from support.served import review

from webhook.decide.decision import WARNING_LIMIT, Decision, Reason, Verdict, warning_line
from webhook.decide.patch import add
from webhook.server.admission_review import UID_LIMIT, MalformedReviewError, Review, parse_review
from webhook.server.decision_log import DecisionLog, record_of
from webhook.server.metrics import Metrics
from webhook.server.status_events import FACT_LIMIT, StatusEvents

HUGE = 100_000
LONGEST_BYTES = 40 * 1024
# Plain, wide in memory, and what is written as escapes.
LETTERS = ["n", "\u4e00", "\U0001f600", "\u202e", "\x00"]


def longest(letter: str, **request: object) -> Review:
    """Return a review whose fields are as long as they may be, and longer."""
    word = letter * HUGE
    owners = [{"kind": word, "name": word, "controller": True}]
    pod = {"metadata": {"name": word, "generateName": word, "ownerReferences": owners}, "spec": {}}
    return parse_review(orjson.dumps(review(pod, word, **({"uid": letter * UID_LIMIT} | request))))


def decision(letter: str) -> Decision:
    """Return a decision of many long lines and operations."""
    word = letter * HUGE
    operations = tuple(add(f"/spec/containers/{number}/env", [{"name": word}]) for number in range(2000))
    lines = (word,) * 1000
    return Decision(Verdict.INJECT, Reason.RUNTIME_CLASS, operations, (warning_line(word),), lines)


def logged(text: io.StringIO) -> DecisionLog:
    """Return an observer whose log goes into a text."""
    processors: Any = [structlog.processors.JSONRenderer()]
    log = structlog.wrap_logger(
        structlog.PrintLogger(text), processors=processors, wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    return DecisionLog(log, Metrics.create())


@pytest.mark.parametrize("letter", LETTERS)
def test_a_record_is_small(letter: str) -> None:
    """A thousand of them are remembered."""
    record = record_of(longest(letter), decision(letter), 1.0)
    assert len(orjson.dumps(record.to_json())) < LONGEST_BYTES
    assert record.more_operations + len(record.decision.operations) == 2000


@pytest.mark.parametrize("letter", LETTERS)
def test_each_log_line_is_small(letter: str) -> None:
    """Of a decision, and of a template."""
    text = io.StringIO()
    observer, found = logged(text), decision(letter)
    observer.decided(record_of(longest(letter), found, 1.0))
    observer.template(longest(letter), found)
    lines = text.getvalue().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["decided", "template"]
    # JSON writes six letters for one that is not ASCII.
    assert max(map(len, lines)) < 6 * LONGEST_BYTES


@pytest.mark.parametrize("letter", LETTERS)
def test_an_event_of_the_replica_is_small(letter: str) -> None:
    """A reason may quote what another program answered."""
    text = io.StringIO()
    told = StatusEvents(logged(text).log)
    told("watch-lost", kind="nodes", reason=letter * HUGE)
    (event,) = told.problems()
    assert len(str(event.to_json()["facts"]["reason"])) == FACT_LIMIT
    assert len(text.getvalue()) < 20 * FACT_LIMIT


@pytest.mark.parametrize("letter", LETTERS)
def test_a_warning_is_one_short_line(letter: str) -> None:
    """However long the name is that it quotes."""
    line = warning_line(letter * HUGE)
    assert len(line) <= WARNING_LIMIT
    assert line.isprintable()


def test_a_uid_that_no_api_server_sends_is_malformed() -> None:
    """It would be in the answer, and in every log line."""
    with pytest.raises(MalformedReviewError, match="at most 128 characters") as refused:
        longest("n", uid="u" * (UID_LIMIT + 1))
    assert len(str(refused.value)) < 200
