"""Events on DaemonSets: their names, and how long an Event is remembered."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.fake_time import FakeTime
from support.memory_api import MemoryApi

from webhook.controllers.event_recorder import REPEAT_SECONDS, EventRecorder, event_of
from webhook.controllers.event_texts import EventText
from webhook.view.view import Plugin, PluginDaemonSet

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
OWNER = PluginDaemonSet(Plugin("kube-system", "plugin"), "u-1")
TEXT = EventText(OWNER, "NoGpu", "Report", "no GPU on gpu-1", frozenset({"gpu-1"}))


@pytest.mark.parametrize("name", ["plugin", "a" * 253, "a" * 199 + "-b", "a" * 198 + "--" + "b" * 53, "a" * 199 + ".b"])
def test_an_event_has_a_name_that_the_api_server_accepts(name: str) -> None:
    """Wherever a long name is cut."""
    owner = PluginDaemonSet(Plugin("kube-system", name), "u-1")
    written = event_of(replace(TEXT, daemon_set=owner), "webhook-a", datetime.now(UTC))
    assert NAME.fullmatch(written["metadata"]["name"])
    assert len(written["metadata"]["name"]) <= 253


async def test_events_of_deleted_daemon_sets_are_forgotten() -> None:
    """An Event that may be recorded again is remembered for nothing."""
    time = FakeTime()
    recorder = EventRecorder(MemoryApi(), "webhook-a", time.clock())
    for number in range(10):
        await recorder.record(replace(TEXT, daemon_set=PluginDaemonSet(OWNER.plugin, f"u-{number}")))
        time.now += REPEAT_SECONDS
    assert list(recorder._recorded) == [("u-9", "NoGpu")]  # noqa: SLF001 - what is remembered
