"""The workflows of GitHub: what no linter checks. They have not been run; docs/releasing.md says so."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGET = re.compile(r"\bmake ([a-z0-9-]+)")
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def steps(path: Path) -> list[dict[str, Any]]:
    """Return all steps of a workflow."""
    return [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]


def targets(path: Path) -> set[str]:
    """Return the targets of make that a workflow runs."""
    return {found for step in steps(path) for found in TARGET.findall(step.get("run", ""))}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_target_exists(path: Path) -> None:
    """A renamed target would be noticed only when the workflow runs."""
    defined = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets(path)
    assert targets(path) <= defined


def test_they_run_what_ci_runs() -> None:
    """The same commands as .ci/run."""
    listed = re.search(r"^for target in (.+); do$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert listed
    assert set(listed[1].split()) <= {target for path in WORKFLOWS for target in targets(path)}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_rights_are_few(path: Path) -> None:
    """By commit, with the version beside it; no right is given to a whole workflow, and each job says what it needs."""
    used = re.findall(r"uses: (.+)$", path.read_text(), re.MULTILINE)
    assert [one for one in used if not PINNED.fullmatch(one)] == []
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"]["contents"] == ("write" if job.get("needs") else "read")
        assert job["timeout-minutes"]
