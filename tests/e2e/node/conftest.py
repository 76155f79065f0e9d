"""The clusters with a real node: both set-ups in turn, one at a time. The tests run in the files' order on each."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from e2e.binaries import Report
from e2e.conftest import LOGS
from e2e.control_plane import ControlPlane, free_port, wait_for_namespace
from e2e.installation import NAME, Webhook, install, running_webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import EVERY, namespace
from e2e.node.cluster import SETUPS, Cluster, build_all, cluster
from e2e.node.kubernetes import NODE
from e2e.node.namespaces import RESTRICTED, restricted_namespace
from e2e.node.packages import provide_packages
from e2e.node.plugin import Given, Plugin, installed, release_of
from e2e.node.stored import observed, state_restored
from e2e.pods import would_be_decided
from e2e.prepare import prepare
from e2e.processes import until

# An installation waits for five minutes, and for an hour.
WAITS = ("--patience-seconds", "15", "--setback-seconds", "45")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Install and build before the first test, as for the control planes."""
    wanted = _minors_of(session.items)
    if session.config.option.collectonly or not wanted:
        return
    prepare(session, partial(_provide, wanted))


def _minors_of(items: Sequence[pytest.Item]) -> Sequence[str]:
    functions = (item for item in items if isinstance(item, pytest.Function))
    return sorted({str(item.callspec.params["minor"]) for item in functions if "on_node" in item.fixturenames})


def _provide(minors: Sequence[str], report: Report) -> None:
    provide_packages(report)
    for minor in minors:
        build_all(SETUPS[minor], report)


@pytest.fixture(scope="package", params=tuple(SETUPS))
def minor(request: pytest.FixtureRequest) -> str:
    """Return the minor version of Kubernetes, which stands for the whole set-up."""
    version: str = request.param
    return version


@pytest.fixture(scope="package")
def on_node(minor: str, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """Run a control plane with a node."""
    folder = tmp_path_factory.mktemp(f"node-{minor}-")
    pytestconfig.stash.setdefault(LOGS, []).extend([folder / "logs", folder / "control-plane" / "logs"])
    setup = SETUPS[minor]
    with cluster(setup, build_all(setup, lambda _: None), folder) as running:
        yield running


@pytest.fixture(scope="package")
def plane(on_node: Cluster) -> ControlPlane:
    """Return the cluster's control plane."""
    return on_node.plane


@pytest.fixture(scope="package")
def webhook_port(on_node: Cluster) -> int:
    """Install manifest, RuntimeClass and namespaces; return the port that the registrations name."""
    port = free_port()
    install(on_node.plane, port)
    # The webhook runs on this machine: the manifest's own pods would find no image.
    on_node.kubectl.run("scale", f"--namespace={NAME}", f"deployment/{NAME}", "--replicas=0")
    namespaces = (*(namespace(name) for name in EVERY), restricted_namespace())
    on_node.kubectl.apply((*on_node.setup.runtime_classes, *namespaces))
    for name in (*EVERY, RESTRICTED):
        wait_for_namespace(on_node.plane, name)
    return port


@pytest.fixture(scope="module")
def evidence(on_node: Cluster) -> None:
    """Let the node show that it has GPUs; a module may have a fixture of this name that does the opposite."""
    on_node.show_gpus()


@pytest.fixture(scope="module")
def policy(on_node: Cluster, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the policy of the test's module (``POLICY``) beside the set-up's own, and return the file."""
    path = tmp_path_factory.mktemp("policy-") / "policy.json"
    path.write_text(json.dumps({**on_node.setup.policy, **getattr(request.module, "POLICY", {})}))
    return path


@pytest.fixture(scope="package")
def incident(on_node: Cluster, webhook_port: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where there is no class, let a webhook see the plugin without its patch: it is blind.

    Only that shows that workloads need the libraries, too. It is stored, so later webhooks know it.
    """
    if on_node.setup.runtime_classes:
        return
    policy = tmp_path_factory.mktemp("policy-") / "policy.json"
    policy.write_text(json.dumps({"dryRun": True}))
    release = release_of(on_node.setup.plugins[0], on_node.helm)
    on_node.forget_gpus()
    with (
        running_webhook(on_node.plane, webhook_port, "--policy", policy) as webhook,
        installed(on_node.kubectl, release) as plugin,
    ):
        assert plugin.given_to(plugin.pod(NODE)) == Given()
        webhook.process.wait_until(lambda: "blind" in observed(on_node.kubectl), "stores what it saw", seconds=180)


@pytest.fixture(scope="module")
def webhook(
    on_node: Cluster,
    incident: None,  # noqa: ARG001  what the webhook knows when it starts
    evidence: None,  # noqa: ARG001
    webhook_port: int,
    policy: Path,
) -> Iterator[Webhook]:
    """Run the webhook until the API server calls it."""
    with running_webhook(on_node.plane, webhook_port, "--policy", policy) as running:
        until(lambda: would_be_decided(on_node.kubectl), "the API server calls the webhook for GPU pods")
        yield running


@pytest.fixture
def hasty(on_node: Cluster, evidence: None, webhook_port: int, policy: Path) -> Iterator[Webhook]:  # noqa: ARG001
    """Run a webhook that waits for less than an installation's; what it stores is forgotten at the end."""
    until(lambda: on_node.gpus() != "2", "the node knows that the plugin before this one is gone")
    with (
        state_restored(on_node.kubectl),
        running_webhook(on_node.plane, webhook_port, "--policy", policy, *WAITS) as running,
    ):
        until(lambda: would_be_decided(on_node.kubectl), "the API server calls the webhook for GPU pods")
        yield running


@pytest.fixture(scope="module")
def plugin(on_node: Cluster, webhook: Webhook) -> Iterator[Plugin]:
    """Run the set-up's plugin, which the webhook has given its driver; the node offers its GPUs."""
    release = release_of(on_node.setup.plugins[0], on_node.helm)
    until(lambda: on_node.gpus() != "2", "the node knows that the plugin before this one is gone")
    with installed(on_node.kubectl, release) as plugin:
        webhook.process.wait_until(lambda: on_node.gpus() == "2", "the node offers two GPUs")
        webhook.process.wait_until(lambda: _knows_the_plugin(on_node), "knows that the plugin has its library")
        yield plugin


def _knows_the_plugin(on_node: Cluster) -> bool:
    word = would_be_decided(on_node.kubectl)
    return word is not None and not word.startswith("leave/")


@pytest.fixture(scope="package")
def kubectl(on_node: Cluster) -> Kubectl:
    """Return the administrator's kubectl."""
    return on_node.kubectl
