"""A webhook without the right to read node facts serves as without node facts, and says so."""

from collections.abc import AsyncIterator
from math import isfinite
from pathlib import Path

import pytest
from support.cluster_world import until, watching
from support.fake_api import FakeApi
from support.node_reports import HOME, facts_daemon_set, facts_pod

from webhook.node_facts.facts_report import NodeFacts
from webhook.view.watched_resources import resources

PODS = f"/api/v1/namespaces/{HOME}/pods"
DAEMON_SETS = f"/apis/apps/v1/namespaces/{HOME}/daemonsets"
FIELDS = {PODS: "facts_pods", DAEMON_SETS: "facts_daemon_sets"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve the DaemonSet of node facts, and one report."""
    async with FakeApi() as api:
        api.put(facts_daemon_set(uid="u-1"), facts_pod("n-1", NodeFacts(boot_id="b-1"), "u-1"))
        yield api


@pytest.mark.parametrize("refused", [(PODS,), (DAEMON_SETS,), (PODS, DAEMON_SETS)])
async def test_without_the_right_the_view_is_ready(fake: FakeApi, tmp_path: Path, refused: tuple[str, ...]) -> None:
    """The refusal is reported; with the right, which may come later, the reports are found."""
    kinds = {FIELDS[one] for one in refused}
    faults = [fake.fault(path, status=403) for path in refused]
    async with watching(fake, tmp_path, resources((), facts_namespace=HOME)) as world:
        await until(lambda: world.events().count("watch-lost") == len(refused))
        await until(lambda: kinds.issuperset(world.live.missing()))
        assert world.live.missing() == []
        await world.live.synced.wait()
        assert {facts["kind"] for event, facts in world.told if event == "watch-lost"} == kinds
        assert isfinite(world.live.oldest_age_seconds())
        for fault in faults:
            fault.clear()
        await until(lambda: world.live.view.facts_pods and world.live.view.facts_daemon_sets)


async def test_node_facts_are_waited_for_where_they_are_not_refused(fake: FakeApi, tmp_path: Path) -> None:
    """A decision before the first list would differ from those after it."""
    fault = fake.fault(PODS, status=500)
    async with watching(fake, tmp_path, resources((), facts_namespace=HOME)) as world:
        await until(lambda: world.live.missing() == ["facts_pods"])
        await fake.requested(3, path=PODS)
        assert not world.live.synced.is_set()
        fault.clear()
        await world.live.synced.wait()
        assert world.live.view.facts_pods
