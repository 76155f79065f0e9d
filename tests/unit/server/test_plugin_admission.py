"""The admission of a plugin pod: without the stored setbacks it is left alone."""

from dataclasses import dataclass, field

import pytest
from support.patched import patched
from support.plugin_world import NAMESPACE, daemon_set, node, runtime_class, view

from webhook.decide.decision import RequestInfo
from webhook.decide.plugin.rules import CREATORS
from webhook.decide.plugin.unserved_plugins import next_pod
from webhook.kube.values import mapping
from webhook.policy.model import Policy
from webhook.server.decide_live import FixedView
from webhook.server.plugin_admission import admit_plugin
from webhook.view.view import ClusterView

ASKED = RequestInfo(NAMESPACE, username=min(CREATORS))
VIEW = view(node("gpu-1", handlers=("nvidia",)), daemon_set(), runtime_class())
(OWNER,) = (VIEW.daemon_sets or {}).values()
POD = {**next_pod(OWNER, "gpu-1"), "metadata": {**next_pod(OWNER, "gpu-1")["metadata"], "name": "p"}}


@dataclass(slots=True)
class FakeState:
    """Stored setbacks that can or cannot be read; reading them may change the view."""

    answers: bool
    source: FixedView | None = None
    later: ClusterView | None = None
    asked: list[float] = field(default_factory=list)

    async def look(self, timeout_seconds: float) -> bool:
        """Answer, or not."""
        self.asked.append(timeout_seconds)
        if self.source and self.later:
            object.__setattr__(self.source, "view", self.later)
        return self.answers


async def test_a_known_state_allows_the_patch() -> None:
    """It is read within 300 ms."""
    state = FakeState(answers=True)
    decision = await admit_plugin(POD, ASKED, Policy(), FixedView(VIEW), state)
    assert (decision.word, state.asked) == ("bootstrap/runtime-class", [0.3])


async def test_an_unknown_state_leaves_the_pod_alone() -> None:
    """The pod may follow one that was deleted because this very patch failed."""
    decision = await admit_plugin(POD, ASKED, Policy(), FixedView(VIEW), FakeState(answers=False))
    assert decision.word == "leave/view-stale"
    assert [operation["path"] for operation in decision.operations] == ["/metadata/annotations"]
    assert mapping(decision.operations[0]["value"])["gpu-injector.io/decision"] == "leave/view-stale"
    assert "the stored setbacks could not be read in time" in decision.evidence
    (warning,) = decision.warnings
    assert "the stored setbacks could not be read in time; pod left alone" in warning


async def test_what_is_read_counts() -> None:
    """The decision is repeated with the current state."""
    source = FixedView(VIEW)
    state = FakeState(answers=True, source=source, later=view(node("gpu-1", labels={}), daemon_set()))
    decision = await admit_plugin(POD, ASKED, Policy(), source, state)
    assert decision.word == "leave/no-gpu-evidence"


@pytest.mark.parametrize("changes", [{"labels": {}}, {"labels": {}, "gpus": ""}])
async def test_a_pod_that_is_left_alone_asks_for_nothing(changes: dict[str, object]) -> None:
    """Nothing can fail."""
    state = FakeState(answers=False)
    bare = view(node("gpu-1", **changes), daemon_set())  # type: ignore[arg-type]
    decision = await admit_plugin(POD, ASKED, Policy(), FixedView(bare), state)
    assert (decision.word, state.asked) == ("leave/no-gpu-evidence", [])


async def test_without_stored_setbacks_nothing_is_asked() -> None:
    """The policy may want none; a standalone webhook has no cluster."""
    decision = await admit_plugin(POD, ASKED, Policy(), FixedView(VIEW), None)
    assert decision.word == "bootstrap/runtime-class"


async def test_a_second_call_for_the_same_pod_keeps_the_patch() -> None:
    """The first call read the state and patched; a patch is never denied by a later annotation."""
    first = await admit_plugin(POD, ASKED, Policy(), FixedView(VIEW), FakeState(answers=True))
    state = FakeState(answers=False)
    second = await admit_plugin(patched(POD, first), ASKED, Policy(), FixedView(VIEW), state)
    assert (second.word, second.operations, state.asked) == ("bootstrap/runtime-class", (), [])
