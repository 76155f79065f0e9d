"""``preview`` and ``why`` for users with Kubernetes' own roles in one namespace, on the real API server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.commands import gpu_injector
from e2e.control_plane import ControlPlane
from e2e.namespaces import ENABLED
from e2e.pods import container, pod
from e2e.service_accounts import account_with_role

NAME = "asked-by-a-user"


@pytest.fixture
def users(plane: ControlPlane) -> Iterator[dict[str, Path]]:
    """Return the kubeconfigs of users by their role; a GPU pod that was not patched is there."""
    names = {role: f"only-{role}" for role in ("view", "edit")}
    objects = [item for role, name in names.items() for item in account_with_role(name, ENABLED, role)]
    plane.kubectl.apply(objects)
    plane.kubectl.create(pod(ENABLED, container(gpus=1), name=NAME, labels={"gpu-injector.io/inject": "disabled"}))
    plane.kubectl.run("label", "pod", NAME, "-n", ENABLED, "gpu-injector.io/inject-")
    yield {role: plane.kubeconfig_of(name, ENABLED) for role, name in names.items()}
    plane.kubectl.run("delete", "pod", NAME, "-n", ENABLED, "--now")


@pytest.mark.usefixtures("webhook")
@pytest.mark.parametrize(("role", "verdict", "code"), [("view", "unknown", 3), ("edit", "inject", 0)])
def test_why_answers_as_far_as_the_role_allows(
    plane: ControlPlane, users: dict[str, Path], role: str, verdict: str, code: int
) -> None:
    """A viewer gets unknown, never view-stale; an editor the webhook's own decision, and no pod is created."""
    before = plane.kubectl.run("get", "pods", "-n", ENABLED, "-o", "name").stdout
    words = (f"pod/{NAME}", "-n", ENABLED, "-o", "json")
    done = gpu_injector("why", *words, kubeconfig=users[role])
    (answer,) = json.loads(done.stdout)["explanations"]
    assert (answer["verdict"], done.code) == (verdict, code), done.stderr
    assert "view-stale" not in done.stdout
    assert plane.kubectl.run("get", "pods", "-n", ENABLED, "-o", "name").stdout == before
