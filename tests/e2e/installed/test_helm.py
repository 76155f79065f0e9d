"""The life of a release, in order: installed, tried, restarted, lost, upgraded, applied again and gone."""

import base64
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chart import CHART, MANIFEST

from e2e.direct_api import DirectApi
from e2e.helm import NAMESPACE, RELEASE, Helm
from e2e.installed.conftest import VALUES
from e2e.installed.image import Built
from e2e.installed.objects import every_object, rolled_out
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.node.cluster import Cluster
from e2e.node.workload import probe, probing_pod, run_to_the_end
from e2e.pods import decision_of, pod, wait_for_decision, would_be_decided
from e2e.processes import until

INJECTED = "inject/runtime-class"
IN_OURS = f"--namespace={NAMESPACE}"
PODS = 2000
LARGEST_MB = 120


def authority(kubectl: Kubectl) -> bytes:
    """Return the CA in the webhook's Secret."""
    return base64.b64decode(kubectl.get("secret", "gpu-injector", IN_OURS)["data"]["ca.crt"])


def bundles(kubectl: Kubectl) -> list[str]:
    """Return what each entry of the registrations trusts."""
    kinds = "mutatingwebhookconfiguration,validatingwebhookconfiguration"
    registrations = kubectl.get(kinds, "--selector=app.kubernetes.io/name=gpu-injector")["items"]
    return [entry["clientConfig"].get("caBundle", "") for one in registrations for entry in one["webhooks"]]


def test_the_image_is_small(built: Built) -> None:
    """What is added to the base has a limit."""
    assert (built.size - built.base_size) / 1e6 <= LARGEST_MB


@pytest.mark.usefixtures("release")
def test_the_api_server_reaches_the_service(kubectl: Kubectl) -> None:
    """Both replicas are ready, and the registrations lead to them."""
    wait_for_decision(kubectl, INJECTED)
    assert all(bundles(kubectl))


@pytest.mark.usefixtures("release")
def test_helm_test_proves_it(helm: Helm) -> None:
    """A GPU pod is tried in a namespace of its own; nothing is left of that."""
    assert "Phase:          Succeeded" in helm.run("test", RELEASE, IN_OURS, "--timeout=120s")


@pytest.mark.usefixtures("plugin")
def test_a_gpu_pod_runs(kubectl: Kubectl) -> None:
    """It is patched, scheduled, and finds its driver."""
    created, saw = run_to_the_end(kubectl, probing_pod(ENABLED, probe(gpus=1)))
    assert decision_of(created) == INJECTED
    assert saw["main"]["nvml"]


@pytest.mark.usefixtures("release")
def test_a_rolling_restart_misses_no_pod(with_image: Cluster, kubectl: Kubectl) -> None:
    """Replicas come and go under load, and every pod is patched."""
    wait_for_decision(kubectl, INJECTED)
    kubectl.run("rollout", "restart", IN_OURS, "deployment/gpu-injector")
    outcomes: Counter[str | None] = Counter()
    with DirectApi(with_image.plane) as api:
        while outcomes.total() < PODS or not _is_rolled_out(kubectl):
            outcomes.update(_tried(api) for _ in range(100))
    assert outcomes == {INJECTED: outcomes.total()}


def _tried(api: DirectApi) -> str | None:
    """Return the decision of a pod that is tried only: the scheduler has no part in this."""
    status, created = api.call("POST", f"/api/v1/namespaces/{ENABLED}/pods?dryRun=All", pod(ENABLED))
    assert status == 201, created
    return decision_of(created)


def _is_rolled_out(kubectl: Kubectl) -> bool:
    done = kubectl.attempt("rollout", "status", IN_OURS, "deployment/gpu-injector", "--watch=false")
    return "successfully rolled out" in done.stdout


@pytest.mark.usefixtures("release")
def test_pods_are_created_while_no_replica_runs(kubectl: Kubectl) -> None:
    """Both replicas are lost at once: pods come unpatched, and then the webhook is back by itself."""
    kubectl.run(
        "delete", "pods", IN_OURS, "--selector=app.kubernetes.io/name=gpu-injector", "--grace-period=0", "--force"
    )
    created = kubectl.create(pod(ENABLED, name="while-away"), "--dry-run=server").object
    assert decision_of(created) in (None, INJECTED)
    rolled_out(kubectl)
    wait_for_decision(kubectl, INJECTED)


@pytest.mark.usefixtures("release")
def test_an_upgrade_brings_another_policy_and_keeps_the_ca(helm: Helm, kubectl: Kubectl) -> None:
    """The replicas restart by themselves; neither CA nor registration is made anew."""
    ca, trusted = authority(kubectl), bundles(kubectl)
    helm.run("upgrade", RELEASE, CHART, IN_OURS, values={**VALUES, "policy": {"dryRun": True}})
    rolled_out(kubectl)
    until(lambda: would_be_decided(kubectl) is None, "nothing is patched in dry-run")
    assert (authority(kubectl), bundles(kubectl)) == (ca, trusted)
    helm.run("upgrade", RELEASE, CHART, IN_OURS, values=VALUES)
    rolled_out(kubectl)
    wait_for_decision(kubectl, INJECTED)
    assert (authority(kubectl), bundles(kubectl)) == (ca, trusted)


@pytest.mark.usefixtures("release")
def test_nothing_is_left_after_uninstall(helm: Helm, kubectl: Kubectl, before: set[str]) -> None:
    """Every object of every kind is as before, and pods are created as before."""
    helm.run("uninstall", RELEASE, IN_OURS, "--wait")
    kubectl.run("delete", "namespace", NAMESPACE)
    until(lambda: not _left(kubectl, before), f"nothing is left: {_left(kubectl, before)}")
    created = kubectl.create(pod(ENABLED), "--dry-run=server")
    assert (decision_of(created.object), created.warnings) == (None, [])


def _left(kubectl: Kubectl, before: set[str]) -> set[str]:
    return {one for one in every_object(kubectl) - before if "gpu-injector" in one}


def test_the_manifest_applied_twice_keeps_ca_and_registration(kubectl: Kubectl, tmp_path: Path) -> None:
    """As a kustomize base, and a second time as a plain manifest; `delete -f` takes all of it away."""
    base, image = MANIFEST.parent, VALUES["image"]
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "install.yaml").write_bytes(MANIFEST.read_bytes())
    (overlay / "kustomization.yaml").write_text(_overlay(image))
    rendered = kubectl.run("kustomize", str(overlay)).stdout
    assert kubectl.run("kustomize", str(base)).stdout.count("\nkind: ") == rendered.count("\nkind: ")
    kubectl.run("apply", "-f", "-", stdin=rendered)
    rolled_out(kubectl)
    wait_for_decision(kubectl, INJECTED)
    ca, trusted = authority(kubectl), bundles(kubectl)
    kubectl.run("apply", "-f", "-", stdin=rendered)
    kubectl.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=rendered)
    rolled_out(kubectl)
    assert (authority(kubectl), bundles(kubectl)) == (ca, trusted)
    kubectl.run("delete", "-f", str(MANIFEST))
    assert would_be_decided(kubectl) is None


def _overlay(image: Any) -> str:  # noqa: ANN401  a value of the chart
    return (
        "resources: [install.yaml]\n"
        f"images: [{{name: gpu-injector, newName: {image['repository']}, newTag: {image['tag']}}}]\n"
    )
