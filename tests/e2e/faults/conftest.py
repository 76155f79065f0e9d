"""A control plane of the faults' own, since they break it; the table of what they did."""

import json
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bench.machine import processor

from e2e.binaries import Report, control_plane_programs, pinned_version, provide
from e2e.conftest import LOGS, RUNTIME_CLASSES
from e2e.control_plane import control_plane
from e2e.faults.scene import REAL, SHORT, Lengths, Scene, scene
from e2e.faults.table import Row, as_json, as_markdown
from e2e.namespaces import ENABLED, namespace
from e2e.node.packages import install_missing
from e2e.prepare import prepare

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MINOR = "1.37"


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Install and build before the first test."""
    wanted = any(Path(item.path).parent == HERE for item in session.items)
    if wanted and not session.config.option.collectonly:
        prepare(session, _provide)


def _provide(report: Report) -> None:
    install_missing(HERE / "packages.txt", report)
    provide(control_plane_programs(MINOR), MINOR, report)


@pytest.fixture(scope="module")
def lengths(pytestconfig: pytest.Config) -> Lengths:
    """Return how long faults last: as in a cluster for `make faults`, shorter for `make e2e`."""
    return REAL if pytestconfig.getoption("--real-lengths") else SHORT


@pytest.fixture(scope="module")
def broken(lengths: Lengths, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Scene]:
    """Run a control plane and two replicas that may be broken."""
    folder = tmp_path_factory.mktemp("faults-")
    pytestconfig.stash.setdefault(LOGS, []).append(folder / "logs")
    programs = provide(control_plane_programs(MINOR), MINOR, lambda _: None)
    with control_plane(programs, folder) as plane, scene(plane, lengths, *RUNTIME_CLASSES, namespace(ENABLED)) as ready:
        yield ready


@pytest.fixture(scope="module")
def rows(lengths: Lengths) -> Iterator[list[Row]]:
    """Collect the rows; those of real lengths are kept in build/, for docs/faults.md."""
    found: list[Row] = []
    yield found
    if lengths is REAL:
        _keep(ROOT / "build", found)


def _keep(folder: Path, rows: list[Row]) -> None:
    settings = {
        "Kubernetes": pinned_version(f"kubernetes-{MINOR}", "k8s.io/kubernetes"),
        "processor": processor(),
        "kernel": platform.release(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    measured = as_json(settings, rows)
    folder.mkdir(exist_ok=True)
    (folder / "faults.json").write_text(json.dumps(measured, indent=2) + "\n")
    (folder / "faults.md").write_text(as_markdown(measured))
