"""The committed archives: field cases, and one healthy cluster for each platform."""

import asyncio
from pathlib import Path

from webhook.archive.archive import Archive, load
from webhook.archive.replay import ReplayClient
from webhook.doctor.archived_facts import with_archived
from webhook.doctor.check import CheckOutcome, examine
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.read import Asked, read_facts
from webhook.doctor.registry import CATEGORIES
from webhook.policy.model import Policy

ARCHIVES = Path(__file__).parents[1] / "data" / "archives"
MANIFEST = Path(__file__).parents[2] / "deploy" / "install.yaml"


def read(name: str) -> Archive:
    """Return an archive by its name."""
    path = ARCHIVES / f"{name}.json"
    return load(path.read_bytes(), path.name)


def facts_of(archive: Archive) -> ClusterFacts:
    """Return what doctor reads of it."""
    facts = asyncio.run(read_facts(ReplayClient(archive), Asked(Policy()), archive.time))
    return with_archived(facts, archive.facts)


def outcomes_of(archive: Archive) -> dict[str, CheckOutcome]:
    """Return the outcome of each check."""
    return {outcome.check.name: outcome for outcome in examine(facts_of(archive), CATEGORIES)}
