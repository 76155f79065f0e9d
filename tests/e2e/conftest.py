"""The control planes and the webhook that the tests share: one version at a time, every version in turn."""

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from e2e.binaries import ONLY_API_SERVER, Report, build, control_plane_programs, provide
from e2e.control_plane import ControlPlane, control_plane, free_port, wait_for_namespace
from e2e.helm import Helm
from e2e.installation import Webhook, install, running_webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import EVERY, namespace
from e2e.node.programs import HELM
from e2e.pods import wait_for_decision
from e2e.prepare import prepare

MINORS = ("1.33", "1.37")
# Tests that name a version may use these, too.
ALL_MINORS = (*MINORS, *ONLY_API_SERVER)
LOGS = pytest.StashKey[list[Path]]()
# The node's files from this one on do not need what those before left: another worker may have a cluster for them.
FIRST_LATE = "tests/e2e/node/test_6"
# What shares a cluster, by how long its tests take; but a worker that has both parts of a node begins with the first.
LONGEST_FIRST = ("tests/e2e", "tests/e2e/node", "tests/e2e/installed", "tests/e2e/node late", "tests/e2e/released")
# A property under which a test records a line of the report.
FIGURES = "figures"

RUNTIME_CLASSES = (
    {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"},
    {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}, "handler": "runsc"},
)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Build before the first test: no test's timeout runs yet, and the progress is shown."""
    if session.config.option.collectonly:
        return None
    prepare(session, partial(_provide, session.items))
    # The folders below were called before: pytest calls the conftest that it loaded last first.
    return True if session.config.option.build_only else None


def _provide(items: Sequence[pytest.Item], report: Report) -> None:
    for minor in _minors_of(items):
        provide(control_plane_programs(minor), minor, report)
    if any("helm" in item.fixturenames for item in items if isinstance(item, pytest.Function)):
        build(HELM, report)


def _minors_of(items: Sequence[pytest.Item]) -> Sequence[str]:
    wanted = {
        item.callspec.params["minor"] for item in items if isinstance(item, pytest.Function) and _needs_plane(item)
    }
    return [minor for minor in ALL_MINORS if minor in wanted]


def _needs_plane(function: pytest.Function) -> bool:
    return "plane" in function.fixturenames


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option for what comes before workers, whose output pytest does not show, and the one of `make faults`."""
    parser.addoption("--build-only", action="store_true", help="Install and build what the tests need; run none.")
    parser.addoption("--real-lengths", action="store_true", help="Let faults last as long as they do in a cluster.")


class ByCluster(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Keeps the tests of one cluster in one worker, and in order."""

    def _split_scope(self, nodeid: str) -> str:
        return " ".join(_cluster_of(nodeid))


def _cluster_of(nodeid: str) -> Sequence[str]:
    """Return folder, ``late`` for the second part of the node's tests, and version of the cluster that a test needs."""
    path, _, test = nodeid.partition("::")
    parameters = test.partition("[")[2]
    folder = str(Path(path).parent)
    late = " late" if folder == "tests/e2e/node" and path >= FIRST_LATE else ""
    return (folder + late, *(minor for minor in ALL_MINORS if minor in parameters))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByCluster:
    """Tell the workers apart by clusters, and start with the first."""
    config.option.loadscopereorder = False
    return ByCluster(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the clusters whose tests take longest: at the end no worker waits for another."""

    def shortest_last(item: pytest.Item) -> tuple[int, bool]:
        folder, *minor = _cluster_of(item.nodeid)
        rank = LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
        return rank, not minor

    items.sort(key=shortest_last)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],  # noqa: ARG001  the hook's
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print where the components' logs are after a failure."""
    report = yield
    if report.failed:
        folders: list[Path] = item.config.stash.get(LOGS, [])
        report.sections.append(("logs of every component", "\n".join(map(str, folders))))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the tests: where these run in workers, they have no terminal."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, line in report.user_properties:
                if name == FIGURES:
                    terminalreporter.write_line(f"  {line}")


@pytest.fixture(scope="session", params=MINORS)
def minor(request: pytest.FixtureRequest) -> str:
    """Return the minor version of Kubernetes."""
    version: str = request.param
    return version


@pytest.fixture(scope="session")
def plane(minor: str, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[ControlPlane]:
    """Run a control plane of that version."""
    folder = tmp_path_factory.mktemp(f"kubernetes-{minor}-")
    pytestconfig.stash.setdefault(LOGS, []).append(folder / "logs")
    programs = provide(control_plane_programs(minor), minor, lambda _: None)
    with control_plane(programs, folder) as ready:
        yield ready


@pytest.fixture(scope="session")
def kubectl(plane: ControlPlane) -> Kubectl:
    """Return the administrator's kubectl."""
    return plane.kubectl


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Return Helm, which knows no cluster."""
    return Helm(build(HELM, lambda _: None), tmp_path_factory.mktemp("helm-"))


@pytest.fixture(scope="session")
def webhook_port(plane: ControlPlane) -> int:
    """Install manifest, RuntimeClasses and namespaces; return the port that the registrations name."""
    port = free_port()
    install(plane, port)
    plane.kubectl.apply((*RUNTIME_CLASSES, *(namespace(name) for name in EVERY)))
    for name in EVERY:
        wait_for_namespace(plane, name)
    return port


@pytest.fixture(scope="module")
def webhook(plane: ControlPlane, webhook_port: int) -> Iterator[Webhook]:
    """Run the webhook until the API server calls it for GPU pods; every module gets a process of its own."""
    with running_webhook(plane, webhook_port) as running:
        wait_for_decision(plane.kubectl, "inject/runtime-class")
        yield running
