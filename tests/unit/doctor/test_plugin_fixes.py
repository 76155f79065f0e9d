"""What doctor tells a person to do about a blind plugin pod."""

from typing import Any

import pytest
from support.plugin_world import daemon_set, node, pod_of, view

from webhook.decide.plugin.unserved_plugins import unserved_plugins
from webhook.doctor.plugin_fixes import cure_of
from webhook.policy.model import Policy

Json = dict[str, Any]
NEXT = "kubectl -n kube-system delete pod nvidia-device-plugin-daemonset-gpu-1"
NO_CLASS = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClassList"}


def host(image: str, **facts: Any) -> Json:  # noqa: ANN401  of the node
    """Return a GPU node of some system."""
    item = node("gpu-1", **facts)
    item["status"]["nodeInfo"]["osImage"] = image
    return item


def guarded(group: str) -> Json:
    """Return the API groups of a cluster with an admission control."""
    return {"apiVersion": "v1", "kind": "APIGroupList", "groups": [{"name": group}]}


CURES = {
    "driver unknown": (
        [host("Strange Linux 1")],
        "driver of gpu-1 not known; for the policy: drivers: [{osImage: 'Strange Linux *', directory: /usr/lib64}]",
    ),
    "class missing": (
        [host("Talos (v1.11.2)", handlers=["", "runc", "nvidia"]), NO_CLASS],
        "create RuntimeClass nvidia with handler nvidia, which node gpu-1 reports",
    ),
    "guard": (
        [host("Ubuntu 24.04.3 LTS"), guarded("security.openshift.io")],
        "SecurityContextConstraints may refuse hostPath: allow it and set bootstrap.privilegedGranted",
    ),
}


def cure(*objects: Json) -> str:
    """Return what doctor says about the blind plugin pod of gpu-1."""
    owner = daemon_set()
    (blind,) = unserved_plugins(view(owner, pod_of(owner, "gpu-1"), *objects), Policy(), 0.0)
    return cure_of(blind)


@pytest.mark.parametrize(("objects", "first"), CURES.values(), ids=CURES)
def test_the_cure_is_what_the_decision_calls_for(objects: list[Json], first: str) -> None:
    """A line to paste, the class to create, or what to allow; then the pod's successor is patched."""
    assert cure(*objects) == f"{first}; then {NEXT}"


def test_a_pod_that_would_be_patched_needs_only_a_successor() -> None:
    """Nothing has to change first."""
    assert cure(host("Ubuntu 24.04.3 LTS")) == NEXT
