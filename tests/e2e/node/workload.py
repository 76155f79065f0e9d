"""Pods that test their environment: their log says what they could open and load."""

import json
from collections.abc import Mapping
from typing import Any

from e2e.kubectl import Kubectl
from e2e.node.images import PROBE
from e2e.pods import container, pod
from e2e.processes import until

GPU_NODES = ("/dev/nvidia0", "/dev/nvidia1")
EVERYTHING = ("uid", "nvml", "cuda", "libcuda.so.1", "/dev/nvidiactl", *GPU_NODES, "NVIDIA_VISIBLE_DEVICES")

# The security context of an unprivileged workload.
CONFINED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}

# open(2) of a node without a driver behind it, where the container may open it.
OPENED = "ENXIO"
ABSENT = "ENOENT"

Answers = Mapping[str, Any]


def probe(name: str = "main", *, image: str = PROBE, gpus: int | None = None, **fields: object) -> dict[str, Any]:
    """Return a container that logs everything it sees, and ends."""
    return dict(container(name, gpus=gpus, image=image, args=list(EVERYTHING), **fields))


def staying_probe(name: str, *, image: str = PROBE) -> dict[str, Any]:
    """Return a container that logs everything it sees, and goes on running."""
    return {"name": name, "image": image, "args": [*EVERYTHING, "wait"]}


def probing_pod(namespace: str, *containers: Mapping[str, Any], runtime_class: str | None = None) -> dict[str, Any]:
    """Return a pod whose containers test their environment once."""
    return pod(namespace, *containers, restartPolicy="Never", runtimeClassName=runtime_class)


def run_to_the_end(kubectl: Kubectl, author: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Answers]]:
    """Create a pod, wait until it succeeds, and return it as it was stored, and what each of its containers saw."""
    created = kubectl.create(author).object
    return created, what_they_saw(kubectl, created)


def what_they_saw(kubectl: Kubectl, created: Mapping[str, Any]) -> Mapping[str, Answers]:
    """Wait until a pod succeeds, and return what each of its containers saw."""
    name, namespace = created["metadata"]["name"], created["metadata"]["namespace"]
    ended = until(lambda: _ended(kubectl, name, namespace), f"pod {namespace}/{name} ends")
    if ended["status"]["phase"] != "Succeeded":
        raise AssertionError(f"pod {namespace}/{name} failed: {json.dumps(ended['status'])}")
    names = [one["name"] for one in created["spec"]["containers"]]
    return {one: json.loads(_log(kubectl, created, one)) for one in names}


def what_it_sees(kubectl: Kubectl, running: Mapping[str, Any], container_name: str) -> Answers:
    """Wait for the log of a container that goes on running, and return what it sees."""
    name = running["metadata"]["name"]
    log = until(lambda: _log(kubectl, running, container_name), f"pod {name} tells what it sees", seconds=30)
    answers: Answers = json.loads(log)
    return answers


def gpus_opened(answers: Answers) -> list[str]:
    """Return the GPUs' nodes that a container could open; every other one must be absent, not merely refused."""
    opened = [path for path in GPU_NODES if answers[path] == OPENED]
    assert {answers[path] for path in GPU_NODES if path not in opened} <= {ABSENT}
    return opened


def _ended(kubectl: Kubectl, name: str, namespace: str) -> dict[str, Any]:
    found = kubectl.get(f"pod/{name}", f"--namespace={namespace}")
    return found if found["status"]["phase"] in ("Succeeded", "Failed") else {}


def _log(kubectl: Kubectl, of: Mapping[str, Any], container_name: str) -> str:
    name, namespace = of["metadata"]["name"], of["metadata"]["namespace"]
    return kubectl.attempt("logs", f"--namespace={namespace}", name, f"--container={container_name}").stdout
