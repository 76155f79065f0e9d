"""The objects of a verification: a namespace, and for each GPU node a pod that PodSecurity "restricted" allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webhook.doctor.dry_run_pod import gpu_pod
from webhook.kube.node_affinity import only_on
from webhook.names import INJECT_KEY, VERIFY_LABEL
from webhook.policy.model import Policy
from webhook.verify import probe

LABELS = dict([VERIFY_LABEL])
# The kubelet ends the pod even if the command was killed.
DEADLINE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: the nodes, each with its GPU resource (empty: none), the image and its program.

    ``program`` is the container's command or arguments.
    """

    nodes: Mapping[str, str]
    image: str
    program: Mapping[str, Any]
    policy: Policy
    timeout_seconds: float


def namespace(name: str) -> dict[str, Any]:
    """Return a namespace with our label."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {**LABELS, INJECT_KEY: "enabled"}},
    }


def probe_pod(name: str, node: str, resource: str, plan: Plan) -> dict[str, Any]:
    """Return the pod that probes one node."""
    pod = gpu_pod(plan.policy)
    container = pod["spec"]["containers"][0]
    container |= {"name": "probe", "image": plan.image, "imagePullPolicy": "IfNotPresent", **plan.program}
    container["resources"] = {"limits": {resource: "1", "cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "10m"}}
    pod["metadata"] = {"name": name, "labels": LABELS}
    # Let the scheduler wait for a free GPU: a pod with nodeName would fail instead.
    pod["spec"] |= {
        "affinity": only_on(node, {}),
        "tolerations": [{"operator": "Exists"}],
        "activeDeadlineSeconds": DEADLINE_SECONDS,
    }
    return pod


def own_program() -> dict[str, Any]:
    """Return how our own image runs the probe."""
    return {"args": ["probe"]}


def program_of_any_image() -> dict[str, Any]:
    """Return how any image with Python runs it: with the program's text as an argument."""
    return {"command": ["python3", "-c", Path(probe.__file__).read_text(encoding="utf-8")]}
