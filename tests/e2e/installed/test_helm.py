"""The life of a release, in order: installed, tried, restarted, lost, upgraded, applied again and gone."""

import base64
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart import CHART, MANIFEST

from e2e.commands import gpu_injector
from e2e.control_plane import ControlPlane
from e2e.direct_api import DirectApi
from e2e.helm import NAMESPACE, RELEASE, Helm
from e2e.installed.conftest import VALUES
from e2e.installed.image import Built
from e2e.installed.objects import not_rendered, ours, registered, rolled_out
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.node.cluster import Cluster
from e2e.node.workload import probe, probing_pod, run_to_the_end
from e2e.pods import decision_of, pod, wait_for_decision, would_be_decided
from e2e.processes import until

INJECTED = "inject/runtime-class"
IN_OURS = f"--namespace={NAMESPACE}"
EVICTING = {**VALUES, "policy": {"bootstrap": {"repair": "evict"}}}
# What Kubernetes makes in each namespace, and the namespace, which Helm leaves.
OF_THE_NAMESPACE = {
    f"Namespace//{NAMESPACE}",
    f"ConfigMap/{NAMESPACE}/kube-root-ca.crt",
    f"ServiceAccount/{NAMESPACE}/default",
}
PODS = 2000
LARGEST_MB = 120


def authority(kubectl: Kubectl) -> bytes:
    """Return the CA in the webhook's Secret."""
    return base64.b64decode(kubectl.get("secret", "gpu-injector", IN_OURS)["data"]["ca.crt"])


def removed_with_deployment(plane: ControlPlane, since: int) -> list[str]:
    """Return the kinds of our objects that were deleted, in order, up to the Deployment; none while it is there.

    They are those since so many events of the audit log.
    """
    deletions = (event["objectRef"] for event in plane.audit_events()[since:] if event["verb"] == "delete")
    kinds = [reference["resource"] for reference in deletions if reference.get("name") == RELEASE]
    return kinds[: kinds.index("deployments") + 1] if "deployments" in kinds else []


def assert_registrations_go_first(plane: ControlPlane, since: int) -> None:
    """Assert that no registration was left without a server, which costs each GPU pod a call that fails."""
    before = until(lambda: removed_with_deployment(plane, since), "the audit log tells of the deletion")
    assert {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} <= set(before)


def test_the_image_is_small(built: Built) -> None:
    """What is added to the base has a limit."""
    assert (built.size - built.base_size) / 1e6 <= LARGEST_MB


@pytest.mark.usefixtures("release")
def test_the_api_server_reaches_the_service(kubectl: Kubectl) -> None:
    """Both replicas are ready, and the registrations lead to them."""
    wait_for_decision(kubectl, INJECTED)
    assert all(trusted for _, trusted in registered(kubectl).values())


@pytest.mark.usefixtures("release")
def test_helm_test_proves_it(helm: Helm) -> None:
    """A GPU pod is tried in a namespace of its own; nothing is left of that."""
    assert "Phase:          Succeeded" in helm.run("test", RELEASE, IN_OURS, "--timeout=120s")


@pytest.mark.usefixtures("release")
def test_certs_shows_what_each_replica_serves(kubectl: Kubectl) -> None:
    """By port-forward to the pods: one certificate, which every entry accepts. Then a rotation is requested."""
    shown = gpu_injector("certs", "show", "-o", "json", kubeconfig=kubectl.kubeconfig)
    assert (shown.code, shown.stderr) == (0, "")
    leaf = shown.object["report"]["leaf"]["fingerprint"]
    assert [(one["fingerprint"], one["refused_by"], one["trouble"]) for one in shown.object["presented"]] == [
        (leaf, [], ""),
        (leaf, [], ""),
    ]
    asked = gpu_injector("certs", "rotate", "-o", "json", kubeconfig=kubectl.kubeconfig)
    assert (asked.code, asked.object["report"]["next_step"]["reason"]) == (0, "asked")


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
    outcomes = tried_until_rolled_out(with_image, at_least=PODS)
    assert outcomes == {INJECTED: outcomes.total()}


def tried_until_rolled_out(cluster: Cluster, *, at_least: int) -> Counter[str | None]:
    """Try so many pods, and more until every replica is the newest and ready; count what was decided of them."""
    outcomes: Counter[str | None] = Counter()
    with DirectApi(cluster.plane.kubectl.kubeconfig) as api:
        while outcomes.total() < at_least or not _is_rolled_out(cluster.kubectl):
            outcomes.update(_tried(api) for _ in range(100))
    return outcomes


@pytest.mark.usefixtures("release")
def test_the_rotation_that_was_asked_for_has_begun(kubectl: Kubectl) -> None:
    """A replica that starts looks at once; the former CA is still trusted."""
    until(lambda: authority(kubectl).count(b"BEGIN CERTIFICATE") == 2, "a new CA has joined", seconds=90)


def _tried(api: DirectApi) -> str | None:
    """Return the decision of a pod that is tried only: the scheduler has no part in this."""
    status, created = api.call("POST", f"/api/v1/namespaces/{ENABLED}/pods?dryRun=All", pod(ENABLED))
    assert status == 201, created
    return decision_of(created)


def _is_rolled_out(kubectl: Kubectl) -> bool:
    done = kubectl.attempt("rollout", "status", IN_OURS, "deployment/gpu-injector", "--watch=false")
    return "successfully rolled out" in done.stdout


@pytest.mark.usefixtures("release")
def test_pods_are_created_while_no_replica_runs(with_image: Cluster, kubectl: Kubectl) -> None:
    """Both replicas are lost at once: every pod is created, unpatched at first; the webhook is back by itself."""
    kubectl.run(
        "delete", "pods", IN_OURS, "--selector=app.kubernetes.io/name=gpu-injector", "--grace-period=0", "--force"
    )
    outcomes = tried_until_rolled_out(with_image, at_least=100)
    assert outcomes[None] > 0
    assert set(outcomes) <= {None, INJECTED}
    wait_for_decision(kubectl, INJECTED)


@pytest.mark.usefixtures("release")
def test_an_upgrade_brings_another_policy_and_keeps_the_ca(helm: Helm, kubectl: Kubectl) -> None:
    """The replicas restart by themselves; CA and registration stay the same. A policy may add rights."""
    ca, trusted = authority(kubectl), registered(kubectl)
    helm.run("upgrade", RELEASE, CHART, IN_OURS, values={**VALUES, "policy": {"dryRun": True}})
    rolled_out(kubectl)
    until(lambda: would_be_decided(kubectl) is None, "nothing is patched in dry-run")
    assert (authority(kubectl), registered(kubectl)) == (ca, trusted)
    helm.run("upgrade", RELEASE, CHART, IN_OURS, values=EVICTING)
    rolled_out(kubectl)
    wait_for_decision(kubectl, INJECTED)
    assert (authority(kubectl), registered(kubectl)) == (ca, trusted)


@pytest.mark.usefixtures("release")
def test_nothing_is_left_after_uninstall(with_image: Cluster, helm: Helm, kubectl: Kubectl, before: set[str]) -> None:
    """No object of any kind contains our name, also in labels and annotations; pods are created as before."""
    assert f"Lease/{NAMESPACE}/gpu-injector-leader" in ours(kubectl)
    audited = len(with_image.plane.audit_events())
    helm.run("uninstall", RELEASE, IN_OURS, "--wait")
    assert_registrations_go_first(with_image.plane, audited)
    assert set(ours(kubectl)) - before == OF_THE_NAMESPACE
    kubectl.run("delete", "namespace", NAMESPACE)
    assert set(ours(kubectl)) == before
    created = kubectl.create(pod(ENABLED), "--dry-run=server")
    assert (decision_of(created.object), created.warnings) == (None, [])


def test_the_manifest_applied_again_keeps_ca_and_registration(with_image: Cluster, tmp_path: Path) -> None:
    """As a kustomize base, by hand and as Argo CD does, pruning; `delete -f` takes all of it away."""
    kubectl = with_image.kubectl
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
    ca, trusted = authority(kubectl), registered(kubectl)
    kubectl.run("apply", "-f", "-", stdin=rendered)
    # https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#server-side-apply
    forced = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller")
    kubectl.run("apply", *forced, "-f", "-", stdin=rendered)
    assert not_rendered(kubectl, list(yaml.safe_load_all(rendered))) == set()
    rolled_out(kubectl)
    assert (authority(kubectl), registered(kubectl)) == (ca, trusted)
    audited = len(with_image.plane.audit_events())
    kubectl.run("delete", "--wait=false", "-f", str(MANIFEST))
    assert_registrations_go_first(with_image.plane, audited)
    assert would_be_decided(kubectl) is None


def _overlay(image: Any) -> str:  # noqa: ANN401  a value of the chart
    return (
        "resources: [install.yaml]\n"
        f"images: [{{name: gpu-injector, newName: {image['repository']}, newTag: {image['tag']}}}]\n"
    )
