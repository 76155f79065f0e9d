"""Every check of `doctor`: passes where all is well, tells what is spoilt, and is unknown without the right to look."""

import asyncio
from pathlib import Path

import pytest
from support.doctor_cases import CASES, MANIFEST_AS_IT_IS, Case
from support.doctor_world import healthy, look
from support.fix_steps import wrong_steps

from webhook.doctor.check import Check, Result, State, examine
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.registry import CATEGORIES

CHECKS = {check.name: check for category in CATEGORIES for check in category.checks}


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> ClusterFacts:
    """Read the healthy cluster once for all."""
    return asyncio.run(look(healthy(), tmp_path_factory.mktemp("healthy")))


def said(result: Result) -> str:
    """Return all that a person would read."""
    return "\n".join((*result.evidence, *result.fix))


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.name)
def test_it_passes_where_all_is_well(well: ClusterFacts, check: Check) -> None:
    """Nothing is found in a cluster where GPU pods work."""
    assert check.run(well).state is State.PASS, said(check.run(well))


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_it_tells_what_is_wrong(case: Case, tmp_path: Path) -> None:
    """The check that is meant finds it, and says how to mend it: never by a manifest whose image names no registry."""
    cluster = healthy()
    case.spoil(cluster)
    result = CHECKS[case.check].run(await look(cluster, tmp_path))
    assert (result.state, case.says in said(result)) == (case.state, True), said(result)
    assert result.fix
    assert MANIFEST_AS_IT_IS.search(said(result)) is None
    assert wrong_steps(result.fix) == []


async def test_an_empty_log_does_not_count_as_read(tmp_path: Path) -> None:
    """The API server answers 204 for a pod that no node runs yet: its log shows neither problems nor their absence."""
    cluster = healthy()
    cluster.logs["webhook-a"] = ""
    assert CHECKS["webhook-log"].run(await look(cluster, tmp_path)).evidence == ("1 read",)
    cluster.logs["webhook-b"] = ""
    assert CHECKS["webhook-log"].run(await look(cluster, tmp_path)).state is State.UNKNOWN


def test_every_check_has_a_case_that_fails_it() -> None:
    """Each check has a cluster in which it finds something."""
    assert {case.check for case in CASES} == CHECKS.keys()


def test_no_check_is_there_twice() -> None:
    """Their names are how scripts and documentation find them."""
    assert len(CHECKS) == sum(len(category.checks) for category in CATEGORIES)


async def test_without_any_right_everything_is_unknown(tmp_path: Path) -> None:
    """A check that may not look never passes."""
    facts = await look(healthy(), tmp_path, "/*")
    states = {outcome.check.name: outcome.result.state for outcome in examine(facts, CATEGORIES)}
    assert set(states.values()) == {State.UNKNOWN}, states
