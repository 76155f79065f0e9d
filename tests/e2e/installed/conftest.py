"""A cluster with a real node that has the image, and Helm for its administrator. Nothing is installed yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chart import CHART

from e2e.binaries import Report
from e2e.conftest import LOGS
from e2e.control_plane import wait_for_namespace
from e2e.helm import NAMESPACE, RELEASE, Helm, Values
from e2e.installed.cert_manager import build_cert_manager
from e2e.installed.image import IMAGE, Built, build_image
from e2e.installed.objects import ours, rolled_out
from e2e.kubectl import Kubectl
from e2e.namespaces import EVERY, namespace
from e2e.node.cluster import SETUPS, Cluster, build_all, cluster
from e2e.node.packages import install_missing, provide_packages
from e2e.node.plugin import Plugin, installed, release_of
from e2e.prepare import prepare
from e2e.processes import until

PACKAGES = Path(__file__).with_name("packages.txt")
MINOR = "1.37"
REPOSITORY, _, TAG = IMAGE.rpartition(":")
VALUES: Values = {"image": {"repository": REPOSITORY, "tag": TAG, "pullPolicy": "Never"}}


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Install and build before the first test, as for the control planes."""
    functions = [item for item in session.items if isinstance(item, pytest.Function)]
    if session.config.option.collectonly or not any("built" in item.fixturenames for item in functions):
        return
    prepare(session, _provide)


def _provide(report: Report) -> None:
    provide_packages(report)
    install_missing(PACKAGES, report)
    build_all(SETUPS[MINOR], report)
    build_cert_manager(report)
    build_image(report)


@pytest.fixture(scope="package")
def built() -> Built:
    """Return the image of this checkout."""
    return build_image(lambda _: None)


@pytest.fixture(scope="package")
def with_image(
    built: Built, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Cluster]:
    """Run a control plane with a node that has the image, a labelled namespace and RuntimeClass nvidia."""
    folder = tmp_path_factory.mktemp("installed-")
    pytestconfig.stash.setdefault(LOGS, []).extend([folder / "logs", folder / "control-plane" / "logs"])
    setup = SETUPS[MINOR]
    with cluster(setup, build_all(setup, lambda _: None), folder) as running:
        running.runtime.import_archive(built.archive)
        running.show_gpus()
        running.kubectl.apply((*setup.runtime_classes, *(namespace(name) for name in EVERY)))
        for name in EVERY:
            wait_for_namespace(running.plane, name)
        yield running


@pytest.fixture(scope="package")
def kubectl(with_image: Cluster) -> Kubectl:
    """Return the administrator's kubectl."""
    return with_image.kubectl


@pytest.fixture(scope="package")
def helm(with_image: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Return the administrator's Helm."""
    return Helm(with_image.helm, tmp_path_factory.mktemp("helm-"), with_image.kubectl.kubeconfig)


@pytest.fixture(scope="package")
def before(kubectl: Kubectl) -> set[str]:
    """Return every object with our name before anything is installed, such as labelled namespaces."""
    return set(ours(kubectl))


@pytest.fixture(scope="package")
def release(helm: Helm, kubectl: Kubectl, before: set[str]) -> None:  # noqa: ARG001  looked at first
    """Install the chart as the page says, and wait until every replica is ready."""
    helm.run("install", RELEASE, CHART, f"--namespace={NAMESPACE}", "--create-namespace", values=VALUES)
    rolled_out(kubectl)


@pytest.fixture
def plugin(with_image: Cluster, release: None) -> Iterator[Plugin]:  # noqa: ARG001  which gives it its driver
    """Run NVIDIA's plugin; the node offers its GPUs."""
    with installed(with_image.kubectl, release_of(with_image.setup.plugins[0], with_image.helm)) as plugin:
        until(lambda: with_image.gpus() == "2", "the node offers two GPUs")
        yield plugin
