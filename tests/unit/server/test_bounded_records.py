"""Whatever is remembered, logged or shown of a request is small, with every field at its longest."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import structlog
from aiohttp.test_utils import make_mocked_request
from support.plugin_world import daemon_set, node, view
from support.served import review
from support.setback_world import BLOCKED, MOMENT, event
from support.setback_world import NODE as BLOCKED_ON

from webhook.controllers.event_recorder import event_of
from webhook.controllers.event_texts import eviction_text, refusal_text, texts_of
from webhook.controllers.setback_texts import texts_of_setbacks
from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.decide.patch import add
from webhook.decide.plugin.unserved_plugins import CREATOR, UnservedPlugin, next_pod
from webhook.decide.warning_text import WARNING_LIMIT, warning_line
from webhook.observations.failed_recipe import failure_of_recipe
from webhook.observations.plugin_observation import HostKind
from webhook.observations.setback import MAX_TEXT, Setback, SetbackKey, SetbackKind, Setbacks
from webhook.policy.model import Policy
from webhook.server.admission_review import UID_LIMIT, MalformedReviewError, Review, parse_review
from webhook.server.app import Webhook
from webhook.server.decide_live import FixedView
from webhook.server.decision_log import DecisionLog, record_of
from webhook.server.metrics import Metrics
from webhook.server.plugin_admission import admit_plugin
from webhook.server.status_events import FACT_LIMIT, StatusEvents
from webhook.view.view import ClusterView, Plugin, PluginDaemonSet, PluginPod

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


def test_a_fault_is_told_in_few_lines() -> None:
    """A path may be long, and a fault deep."""
    text = io.StringIO()
    webhook = Webhook(Policy(), FixedView(ClusterView()), logged(text))
    webhook._tell_fault(make_mocked_request("POST", "/" + "p" * HUGE), deep(400))  # noqa: SLF001 - the log alone
    assert json.loads(text.getvalue())["error"] == "ValueError"
    assert len(text.getvalue()) < 16 * 1024


def deep(frames: int) -> Exception:
    """Return an error that was raised so many calls below."""

    # Two in turn: a traceback counts equal frames that follow one another.
    def fall(left: int) -> None:
        if not left:
            raise ValueError
        drop(left - 1)

    def drop(left: int) -> None:
        fall(left)

    try:
        fall(frames)
    except ValueError as error:
        return error
    raise AssertionError


# As long as the API server lets names be, and as long as a text of ours.
NODE, DAEMON_SET, SPACE = "n" * 253, "d" * 253, "s" * 63


def longest_setback(letter: str, node: str = NODE) -> Setback:
    """Return a setback with every field at its longest."""
    failure = failed_text(letter * HUGE)
    word = letter * 1000
    host = HostKind(word, word, word, word, frozenset({word}))
    key, time = SetbackKey(SPACE, DAEMON_SET, node, "runtime-class"), datetime.max.replace(tzinfo=UTC)
    return Setback(key, SetbackKind.START_FAILED, failure, time, time, 10**18, "b" * 64, host, "u" * 36)


def failed_text(message: str) -> str:
    """Return the text of a setback for what a node said."""
    found = failure_of_recipe(BLOCKED, BLOCKED_ON, [event(message)], MOMENT)
    assert found
    return found.text


@pytest.mark.parametrize("letter", LETTERS)
def test_a_setback_is_small(letter: str) -> None:
    """``/state`` shows a hundred of them, and a thousand are stored."""
    found = longest_setback(letter)
    assert len(found.text) <= MAX_TEXT
    assert len(orjson.dumps(found.to_json())) < 4096


@pytest.mark.parametrize("letter", LETTERS)
def test_each_event_on_a_daemon_set_is_accepted(letter: str) -> None:
    """The API server refuses a note of 1,024 bytes; the remedy at its end is kept."""
    plugin = Plugin(SPACE, DAEMON_SET)
    owner = PluginDaemonSet(plugin, "u" * 36)
    nodes = [f"{number:03}{NODE[3:]}" for number in range(300)]
    setbacks = [longest_setback(letter, node) for node in nodes]
    cluster = ClusterView(daemon_sets={"plugin": owner}, setbacks=Setbacks({one.key: one for one in setbacks}))
    found = decision(letter)
    unserved = [
        UnservedPlugin(
            PluginPod(plugin, "u", node, "u", running=True, ready=True),
            owner,
            replace(found, verdict=verdict),
        )
        for node in nodes
        for verdict in (Verdict.BOOTSTRAP, Verdict.LEAVE)
    ]
    texts = [*texts_of_setbacks(cluster), *texts_of(unserved, Policy())]
    texts += [eviction_text(unserved[0]), refusal_text(unserved[0])]
    assert len(texts) == 5
    for text in texts:
        written = event_of(text, "r" * 1000, datetime.now(UTC))
        assert len(str(written["note"]).encode()) < 1024
        assert str(written["note"]).endswith(text.text[-50:])
        assert len(orjson.dumps(written)) < 8 * 1024


class Unknown:
    """A store of setbacks that does not answer."""

    async def look(self, timeout_seconds: float) -> bool:
        """Have no answer."""
        assert timeout_seconds > 0
        return False


@pytest.mark.parametrize("letter", LETTERS)
async def test_the_record_of_a_plugin_pod_is_small(letter: str) -> None:
    """Its decision may be made without the stored setbacks, and then says so."""
    owner = daemon_set(annotations={letter: letter * HUGE})
    cluster = view(owner, node("gpu-1"))
    (found,) = (cluster.daemon_sets or {}).values()
    pod = {**next_pod(found, "gpu-1"), "metadata": {**next_pod(found, "gpu-1")["metadata"], "name": letter * HUGE}}
    asked = RequestInfo("kube-system", username=CREATOR)
    result = await admit_plugin(pod, asked, Policy(), FixedView(cluster), Unknown())
    assert result.word == "leave/view-stale"
    record = record_of(longest(letter), result, 1.0)
    assert len(orjson.dumps(record.to_json())) < LONGEST_BYTES
