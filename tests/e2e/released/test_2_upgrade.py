"""From the release before to this one and back, under constant pod creation: with Helm, and with `kubectl apply`.

Each time the new registration and policy meet the old replicas first, because the rollout waits: each version answers
what the other registers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import yaml

from e2e.conftest import FIGURES
from e2e.control_plane import wait_for_namespace
from e2e.direct_api import DirectApi
from e2e.helm import NAMESPACE, RELEASE
from e2e.installed.objects import registered
from e2e.installed.test_helm import authority
from e2e.kubectl import Kubectl
from e2e.namespaces import INJECT
from e2e.node.cluster import Cluster
from e2e.pod_load import INJECTED, constant_load
from e2e.pods import wait_for_decision
from e2e.processes import until
from e2e.released.registry import Registry
from e2e.released.releases import Release

IN_OURS = f"--namespace={NAMESPACE}"
DEPLOYMENT = "deployment/gpu-injector"
LOADED = "team-during-upgrades"
PODS_PER_SECOND = 5
ANSWERED_AT_LEAST = 25
ROLLED_OUT_SECONDS = 300

Deploy = Callable[[Release], object]

pytestmark = [pytest.mark.load, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def loaded(with_releases: Cluster) -> Iterator[str]:
    """Create the namespace of the constant load."""
    labels = {INJECT: "enabled"}
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LOADED, "labels": labels}}
    with_releases.kubectl.apply([item])
    wait_for_namespace(with_releases.plane, LOADED)
    yield LOADED
    with_releases.kubectl.run("delete", "namespace", LOADED, "--wait=false")


def test_with_helm(
    published: Registry, old: Release, new: Release, loaded: str, record_property: Callable[[str, object], None]
) -> None:
    """The values of the old chart are given to the new one; back goes `helm rollback`."""
    values = published.folder / "old-values.yaml"
    values.write_text(published.helm("show", "values", old.chart))
    published.deploy("install", old)
    try:
        upgrade: Deploy = lambda to: published.deploy("upgrade", to, "--values", values)  # noqa: E731
        line = changed_under_load(published.cluster, loaded, (new, upgrade), (old, lambda _: rolled_back(published)))
        record_property(FIGURES, f"Helm {line}")
    finally:
        published.helm("uninstall", RELEASE, IN_OURS, "--wait")
        published.cluster.kubectl.run("delete", "namespace", NAMESPACE)


def test_with_kubectl_apply(
    published: Registry, old: Release, new: Release, loaded: str, record_property: Callable[[str, object], None]
) -> None:
    """Both manifests as they are in the releases."""
    kubectl = published.cluster.kubectl
    apply: Deploy = lambda to: kubectl.run("apply", "-f", "-", stdin=published.manifest(to))  # noqa: E731
    apply(old)
    try:
        record_property(
            FIGURES, f"kubectl apply {changed_under_load(published.cluster, loaded, (new, apply), (old, apply))}"
        )
    finally:
        for release in (new, old):
            kubectl.run("delete", "--ignore-not-found", "-f", "-", stdin=published.manifest(release))


def changed_under_load(cluster: Cluster, namespace: str, *changes: tuple[Release, Deploy]) -> str:
    """Change from version to version; assert that no pod was missed or refused, and that the CA stayed."""
    kubectl = cluster.kubectl
    until(lambda: is_rolled_out(kubectl), "the first version runs", seconds=ROLLED_OUT_SECONDS)
    wait_for_decision(kubectl, INJECTED)
    ca, entries = authority(kubectl), registered(kubectl)
    totals = []
    for release, deploy in changes:
        with nothing_missed(cluster, namespace) as answered:
            kubectl.run("rollout", "pause", IN_OURS, DEPLOYMENT)
            deploy(release)
            # The replicas are those of the other version, the registration and the policy are new.
            before = answered()
            assert version_of_registration(kubectl) == release.version
            until(lambda: answered() >= before + ANSWERED_AT_LEAST, "the other version answers")  # noqa: B023
            kubectl.run("rollout", "resume", IN_OURS, DEPLOYMENT)
            until(lambda: is_rolled_out(kubectl), f"{release.version} runs", seconds=ROLLED_OUT_SECONDS)
            totals.append(f"to {release.version}: {answered()} pods")
        assert authority(kubectl) == ca
        now = registered(kubectl)
        # A later version may add entries; those that were there are the same.
        assert {name: now[name] for name in entries} == entries
    return f"{', '.join(totals)}, 0 unpatched, 0 rejected"


@contextmanager
def nothing_missed(cluster: Cluster, namespace: str) -> Iterator[Callable[[], int]]:
    """Create pods until the context ends; all must be patched, and no call of the API server may fail."""
    with DirectApi(cluster.plane.kubectl.kubeconfig) as api:
        failed = failed_calls(api)
        with constant_load(cluster.plane, namespace, PODS_PER_SECOND) as load:
            yield lambda: load.outcomes[INJECTED]
        assert load.refusals == []
        assert load.outcomes == {INJECTED: load.total}
        assert failed_calls(api) == failed


def failed_calls(api: DirectApi) -> float:
    """Return how many calls of our entries the API server has given up, for pods and others."""
    return sum(
        api.metric("apiserver_admission_webhook_fail_open_count", {"name": f"{entry}.gpu-injector.io"})
        for entry in ("workloads", "bootstrap", "ephemeral", "templates")
    )


def rolled_back(published: Registry) -> None:
    """Go back to the revision before."""
    published.helm("rollback", RELEASE, IN_OURS)


def version_of_registration(kubectl: Kubectl) -> str:
    """Return the version that the registration is of."""
    found = kubectl.get("mutatingwebhookconfiguration/gpu-injector")["metadata"]["labels"]
    return str(found["app.kubernetes.io/version"])


def is_rolled_out(kubectl: Kubectl) -> bool:
    """Whether every replica is the newest and ready, and no older one is left."""
    done = kubectl.attempt("rollout", "status", IN_OURS, DEPLOYMENT, "--watch=false")
    return "successfully rolled out" in done.stdout


def test_the_values_of_the_release_before_mean_the_same(published: Registry, old: Release, new: Release) -> None:
    """Every value of the old chart is one of the new chart: none was renamed or removed, so none needs a warning."""
    before, now = (yaml.safe_load(published.helm("show", "values", release.chart)) for release in (old, new))
    assert set(paths(before)) <= set(paths(now))


def paths(values: dict[str, object], above: str = "") -> Iterator[str]:
    """Yield the names of all values, with those above them."""
    for name, value in values.items():
        yield f"{above}{name}"
        if isinstance(value, dict):
            yield from paths(value, f"{above}{name}.")
