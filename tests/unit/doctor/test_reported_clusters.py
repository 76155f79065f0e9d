"""Clusters of public reports: doctor names the cause, and calls nothing else wrong."""

from pathlib import Path

import pytest
from support.doctor_world import Cluster, healthy, look
from support.fix_steps import wrong_steps
from support.mixed_platforms import PLATFORMS
from support.platforms import cluster_on
from support.quiet_clusters import QUIET
from support.reported_clusters import REPORTS

from webhook.doctor.check import State, examine
from webhook.doctor.registry import CATEGORIES


@pytest.mark.parametrize("name", REPORTS)
async def test_doctor_names_the_cause(name: str, tmp_path: Path) -> None:
    """The checks that do not pass are those of the report, and each says what the thread's solution was."""
    report = REPORTS[name]
    facts = await look(report.cluster(), tmp_path)
    found = {one.check.name: one.result for one in examine(facts, CATEGORIES) if one.result.state is not State.PASS}
    said = {check: "\n".join((*result.evidence, *result.fix)) for check, result in found.items()}
    assert {check: result.state for check, result in found.items()} == {
        check: state for check, (state, _) in report.right.items()
    }, said
    assert {check: text for check, (_, text) in report.right.items() if text not in said[check]} == {}, said
    assert report.never not in "\n".join(said.values())
    assert [wrong for result in found.values() for wrong in wrong_steps(result.fix)] == []


@pytest.mark.parametrize("name", PLATFORMS)
async def test_nothing_is_wrong_on_a_platform_where_gpu_pods_work(name: str, tmp_path: Path) -> None:
    """Every check passes."""
    assert await not_passed(cluster_on(name), tmp_path) == {}


@pytest.mark.parametrize("name", QUIET)
async def test_what_comes_and_goes_is_no_failure(name: str, tmp_path: Path) -> None:
    """Nodes that start, are repaired or removed, and other tools, are worth a warning: GPU pods work."""
    change, warned = QUIET[name]
    cluster = healthy()
    change(cluster)
    assert await not_passed(cluster, tmp_path) == dict.fromkeys(warned, State.WARN)


async def not_passed(cluster: Cluster, folder: Path) -> dict[str, State]:
    """Return the checks that do not pass."""
    facts = await look(cluster, folder)
    found = examine(facts, CATEGORIES)
    return {one.check.name: one.result.state for one in found if one.result.state is not State.PASS}
