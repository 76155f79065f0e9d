"""What is collected of a broken, or an unusual, cluster gives the same answers as the cluster itself."""

import asyncio
from pathlib import Path

import pytest
from rich.progress import Progress
from support.archives import outcomes_of
from support.direct_client import direct_session
from support.doctor_world import Cluster, healthy, look, served
from support.quiet_clusters import QUIET
from support.reported_clusters import REPORTS
from support.silent_replicas import silent_replicas

from webhook.archive.anonymise import anonymise
from webhook.archive.archive import Archive, dump, load
from webhook.commands.shared.read_cluster import record_all
from webhook.doctor.check import Result, examine
from webhook.doctor.registry import CATEGORIES

ASKED = {"policy_file": None, "scope": "", "own_namespace": "default"}

# One report for each set of checks that do not pass.
SHOWN = {frozenset(report.right): name for name, report in REPORTS.items()}.values()


def cluster_of(name: str) -> Cluster:
    """Return the cluster of a report, or an unusual healthy one."""
    if name in REPORTS:
        return REPORTS[name].cluster()
    cluster = healthy()
    QUIET[name][0](cluster)
    return cluster


async def told_and_collected(cluster: Cluster, folder: Path) -> tuple[dict[str, Result], Archive]:
    """Return what the checks say of a cluster, and what is collected of it."""
    told = {one.check.name: one.result for one in examine(await look(cluster, folder), CATEGORIES)}
    async with served(cluster) as fake, direct_session(fake, folder) as client:
        return told, load(dump(await record_all(client, ASKED, Progress(disable=True))), "collected.json")


@pytest.mark.parametrize("name", [*SHOWN, *QUIET])
def test_a_file_says_the_same_as_the_cluster(name: str, tmp_path: Path) -> None:
    """Each check has the same state, evidence and fix; without the names the same state."""
    with silent_replicas():
        told, archive = asyncio.run(told_and_collected(cluster_of(name), tmp_path))
    assert {check: one.result for check, one in outcomes_of(archive).items()} == told
    hidden = outcomes_of(anonymise(archive, b"salt"))
    states = {check: result.state for check, result in told.items()}
    assert {check: one.result.state for check, one in hidden.items()} == states
