"""What doctor proposes where our installation is missing or incomplete: always an image that the nodes have."""

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.doc_blocks import ROOT
from support.doctor_cases import MANIFEST_AS_IT_IS
from support.doctor_world import Cluster, healthy, look

from webhook.doctor.fact import Unread
from webhook.doctor.install_fixes import AGAIN, INSTALL, OWN_POLICY, install_again
from webhook.policy.model import Policy

OURS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "Deployment")
IMAGE = "registry.example/gpu-injector:0.2.0"
SED = f"sed 's#image: .*#image: {IMAGE}#' deploy/install.yaml | kubectl apply -f -"
HELM = "helm -n gpu-injector upgrade gpu deploy/chart --reset-then-reuse-values   (the chart of version 0.2.0)"


def with_image(cluster: Cluster, image: str = IMAGE, **changes: str) -> dict[str, Any]:
    """Have a Deployment with this image; return its container."""
    (container,) = cluster.of("Deployment", "gpu-injector")["spec"]["template"]["spec"]["containers"]
    container.update(image=image, **changes)
    return dict(container)


def by_helm(cluster: Cluster, release: str = "gpu") -> None:
    """Have an installation by Helm."""
    for kind in OURS:
        labels = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": release}
        cluster.of(kind, "gpu-injector")["metadata"]["labels"].update(labels)


def removed(*kinds: str) -> Callable[[Cluster], None]:
    """Return what removes objects of ours from a cluster."""

    def remove(cluster: Cluster) -> None:
        for kind in kinds:
            cluster.remove(kind, "gpu-injector")

    return remove


def helm_without_deployment(cluster: Cluster) -> None:
    """Have only the registrations of an installation by Helm."""
    by_helm(cluster)
    cluster.remove("Deployment", "gpu-injector")


def own_policy(cluster: Cluster) -> None:
    """Have another policy than the manifest's."""
    with_image(cluster)
    cluster.policy = Policy(dry_run=True)


@pytest.mark.parametrize(
    ("change", "command"),
    [
        (removed(*OURS), INSTALL),
        (removed("Deployment"), AGAIN),
        (by_helm, HELM),
        (helm_without_deployment, HELM),
        (with_image, SED),
        (own_policy, SED + OWN_POLICY),
        (
            lambda cluster: with_image(cluster, imagePullPolicy="Never"),
            SED.replace("#' ", "#; s#imagePullPolicy: .*#imagePullPolicy: Never#' "),
        ),
        (lambda cluster: with_image(cluster, "x#' ; rm -rf / #"), AGAIN),
        (lambda cluster: by_helm(cluster, "gpu; rm -rf /"), AGAIN),
    ],
    ids=["nothing", "registrations", "helm", "helm-registrations", "manifest", "policy", "never", "image", "release"],
)
async def test_the_command_keeps_the_image_of_the_installation(
    change: Callable[[Cluster], object], command: str, tmp_path: Path
) -> None:
    """Helm keeps the values; the manifest gets the image of the Deployment."""
    cluster = healthy()
    with_image(cluster, "no image")
    change(cluster)
    assert install_again(await look(cluster, tmp_path)) == command


async def test_without_the_right_to_read_nothing_is_guessed(tmp_path: Path) -> None:
    """What could not be read counts neither as installed nor as an error."""
    cluster = healthy()
    with_image(cluster)
    facts = await look(cluster, tmp_path)
    nothing = Unread("no right")
    assert install_again(replace(facts, webhooks=nothing, validating_webhooks=nothing)) == SED
    assert install_again(replace(facts, deployment=nothing)) == AGAIN


def test_the_command_changes_only_the_image(tmp_path: Path) -> None:
    """Run as printed in a checkout, without the part that applies it."""
    cluster = healthy()
    with_image(cluster, imagePullPolicy="Never")
    command, pipe, _ = install_again(asyncio.run(look(cluster, tmp_path))).partition(" | ")
    assert pipe
    done = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    before = (ROOT / "deploy" / "install.yaml").read_text().splitlines()
    changed = [line.strip() for line in done.stdout.splitlines() if line not in before]
    assert changed == [f"image: {IMAGE}", "imagePullPolicy: Never"]
    assert len(list(yaml.safe_load_all(done.stdout))) == len(list(yaml.safe_load_all("\n".join(before))))


def test_no_code_proposes_a_manifest_whose_image_cannot_be_pulled() -> None:
    """Also in commands that are not doctor; test_doctor_checks looks at each printed fix."""
    sources = [path for folder in ("webhook", "certs") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in sources if MANIFEST_AS_IT_IS.search(path.read_text())] == []
