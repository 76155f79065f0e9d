"""cert-manager instead of our own certificates: installed by Helm, on a real node."""

from collections.abc import Iterator

import pytest
from support.chart import CHART

from e2e.helm import NAMESPACE, RELEASE, Helm
from e2e.installed.cert_manager import cert_manager
from e2e.installed.conftest import VALUES
from e2e.installed.objects import registered, rolled_out
from e2e.kubectl import Kubectl
from e2e.node.cluster import Cluster
from e2e.pods import wait_for_decision

IN_OURS = f"--namespace={NAMESPACE}"
# There is no other replica to answer when it is uninstalled.
WITH_CERT_MANAGER = {**VALUES, "certManager": {"enabled": True}, "drainSeconds": 0}


@pytest.fixture
def _cert_manager_installed(with_image: Cluster, helm: Helm) -> Iterator[None]:
    with cert_manager(with_image.plane, with_image.plane.logs):
        helm.run("install", RELEASE, CHART, IN_OURS, "--create-namespace", values=WITH_CERT_MANAGER)
        yield
        helm.run("uninstall", RELEASE, IN_OURS)
        with_image.kubectl.run("delete", "namespace", NAMESPACE)


@pytest.mark.usefixtures("_cert_manager_installed")
def test_cert_manager_makes_the_certificate_that_is_served(kubectl: Kubectl) -> None:
    """It issues the pair, the replicas serve it from their volume, and it writes the caBundle into every entry."""
    rolled_out(kubectl)
    wait_for_decision(kubectl, "inject/runtime-class")
    issued = kubectl.get("secret", "gpu-injector-tls", IN_OURS)["data"]
    assert {trusted for _, trusted in registered(kubectl).values()} == {issued["ca.crt"]}
    assert issued["tls.crt"] != issued["ca.crt"]
    assert not kubectl.succeeds("get", "secret", "gpu-injector", IN_OURS)
