"""A cluster with a real node and a registry that has both releases. Nothing is installed yet."""

from collections.abc import Iterator

import pytest
from release.publish import CRANE

from e2e.binaries import Report, build
from e2e.conftest import LOGS
from e2e.control_plane import wait_for_namespace
from e2e.kubectl import Kubectl
from e2e.namespaces import EVERY, namespace
from e2e.node.cluster import SETUPS, Cluster, build_all, cluster
from e2e.node.packages import provide_packages
from e2e.prepare import prepare
from e2e.released.registry import Registry, registry
from e2e.released.releases import Release, current, previous

MINOR = "1.37"


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Install and build before the first test, as for the control planes."""
    functions = [item for item in session.items if isinstance(item, pytest.Function)]
    if session.config.option.collectonly or not any("published" in item.fixturenames for item in functions):
        return
    prepare(session, _provide)


def _provide(report: Report) -> None:
    provide_packages(report)
    build_all(SETUPS[MINOR], report)
    build(CRANE, report)
    previous(report)
    current(report)


@pytest.fixture(scope="package")
def new() -> Release:
    """Return the release of this checkout."""
    return current(lambda _: None)


@pytest.fixture(scope="package")
def old() -> Release:
    """Return the release before it."""
    return previous(lambda _: None)


@pytest.fixture(scope="package")
def published(
    old: Release, new: Release, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Registry]:
    """Run a cluster with labelled namespaces and RuntimeClass nvidia, and push both releases to its registry."""
    folder = tmp_path_factory.mktemp("released-")
    pytestconfig.stash.setdefault(LOGS, []).extend([folder / "logs", folder / "control-plane" / "logs"])
    setup = SETUPS[MINOR]
    with cluster(setup, build_all(setup, lambda _: None), folder) as running, registry(running, folder) as ready:
        running.show_gpus()
        running.kubectl.apply((*setup.runtime_classes, *(namespace(name) for name in EVERY)))
        for name in EVERY:
            wait_for_namespace(running.plane, name)
        ready.push(old)
        ready.push(new)
        yield ready


@pytest.fixture(scope="package")
def with_releases(published: Registry) -> Cluster:
    """Return the cluster."""
    return published.cluster


@pytest.fixture(scope="package")
def kubectl(with_releases: Cluster) -> Kubectl:
    """Return the administrator's kubectl."""
    return with_releases.kubectl
