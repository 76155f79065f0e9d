"""``kubectl debug``: a debug container in an injected pod sees none of its node's GPUs."""

from typing import Any

import pytest

from e2e.installation import Webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import DISABLED, ENABLED
from e2e.pods import container, pod

EPHEMERAL = "/mutate/ephemeral"


def debugged(kubectl: Kubectl, author: dict[str, Any], *options: str) -> dict[str, str]:
    """Create a pod, debug it with a CUDA image, and return the debugger's variables."""
    created = kubectl.create(author).object["metadata"]
    place = ("--namespace", created["namespace"])
    image = ("--image", "registry.example.com/cuda:12", "--profile=general", "--attach=false")
    kubectl.run("debug", created["name"], *place, *image, *options)
    (debugger,) = kubectl.get("pod", created["name"], *place)["spec"]["ephemeralContainers"]
    return {entry["name"]: entry["value"] for entry in debugger.get("env", [])}


@pytest.mark.parametrize(
    ("options", "value"), [((), "void"), (("--env", "NVIDIA_VISIBLE_DEVICES=all"), "all")], ids=["unset", "own"]
)
def test_a_debugger_sees_no_gpu_unless_its_author_says_so(
    kubectl: Kubectl, webhook: Webhook, options: tuple[str, ...], value: str
) -> None:
    """Under the NVIDIA class a CUDA image would see every GPU of the node."""
    before = webhook.calls(EPHEMERAL)
    assert debugged(kubectl, pod(ENABLED), *options)["NVIDIA_VISIBLE_DEVICES"] == value
    assert webhook.calls(EPHEMERAL) == before + 1


@pytest.mark.parametrize("author", [pod(ENABLED, container()), pod(DISABLED)], ids=["no GPU", "opted out"])
def test_debugging_other_pods_causes_no_call(kubectl: Kubectl, webhook: Webhook, author: dict[str, Any]) -> None:
    """Only pods that we injected run under the class because of us."""
    before = webhook.calls(EPHEMERAL)
    assert "NVIDIA_VISIBLE_DEVICES" not in debugged(kubectl, author)
    assert webhook.calls(EPHEMERAL) == before
