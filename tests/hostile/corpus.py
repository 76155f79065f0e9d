"""The corpus: each input is a body that grows by one number, and the path to which it is sent."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hostile.pods import BOOTSTRAP, EPHEMERAL, TEMPLATES, WORKLOADS, Grow, Json, pod

MIB = 2**20
REVIEW_BYTES = 3 * MIB // 2
CREATOR = "system:serviceaccount:kube-system:daemon-set-controller"


@dataclass(frozen=True, slots=True)
class Input:
    """One dimension in which a body may grow; ``make`` returns the body of a size."""

    name: str
    path: str
    make: Callable[[int], bytes]

    def largest(self, limit_bytes: int) -> int:
        """Return about the largest size whose body is within so many bytes."""
        few, many = len(self.make(100)), len(self.make(800))
        each = (many - few) / 700
        size = max(1, int((limit_bytes - few) / each) + 100) if each else 800
        while size > 1 and (length := len(self.make(size))) > limit_bytes:
            size = size * limit_bytes // length * 99 // 100
        return size


def review(item: object, **request: object) -> bytes:
    """Return the body of a review, as the API server writes it: without white space."""
    body = {
        "uid": "11111111-2222-3333-4444-555555555555",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "ml",
        "operation": "CREATE",
        "object": item,
    }
    whole = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": body | request}
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()


def _of_object(grow: Grow, **request: object) -> Callable[[int], bytes]:
    return lambda size: review(grow(size), **request)


def _of_both(grow: Grow, **request: object) -> Callable[[int], bytes]:
    """Return the review of an update, in which the former object has the same size."""
    return lambda size: review(grow(size), operation="UPDATE", oldObject={**grow(size), "status": {}}, **request)


def _of_request(field: str, grow: Callable[[int], object]) -> Callable[[int], bytes]:
    return lambda size: review(pod(), **{field: grow(size)})


REQUESTS: dict[str, Callable[[int], bytes]] = {
    "a long uid": _of_request("uid", lambda n: "u" * n),
    "a long namespace": _of_request("namespace", lambda n: "n" * n),
    "a long username": _of_request("userInfo", lambda n: {"username": "u" * n}),
    "many groups": _of_request("userInfo", lambda n: {"username": "u", "groups": ["g"] * n}),
    "a long operation": _of_request("operation", lambda n: "o" * n),
    "a request of many fields": lambda n: review(pod(), **{f"f{number}": 0 for number in range(n)}),
}
BODIES: dict[str, Callable[[int], bytes]] = {
    "no JSON": lambda n: b"x" * n,
    "only brackets": lambda n: b"[" * n,
    "only commas": lambda n: b"[" + b"," * n,
    "lists without an end": lambda n: b"[[]," * n,
    "white space": lambda n: b" " * n + b"{}",
    "a number of many digits": lambda n: b"1" * n,
    "quotation marks": lambda n: b'"' * n,
    "backslashes": lambda n: b'"' + b"\\\\" * n + b'"',
    "bytes that are no UTF-8": lambda n: b'"' + b"\xff" * n + b'"',
}


def inputs() -> Iterator[Input]:
    """Yield the corpus."""
    for name, grow in WORKLOADS.items():
        yield Input(name, "/mutate/workloads", _of_object(grow))
    for name, grow in EPHEMERAL.items():
        update = {"operation": "UPDATE", "subResource": "ephemeralcontainers"}
        yield Input(name, "/mutate/ephemeral", _of_object(grow, **update, oldObject=pod()))
        yield Input(f"{name}, before too", "/mutate/ephemeral", _of_both(grow, subResource="ephemeralcontainers"))
    for name, grow in TEMPLATES.items():
        yield Input(name, "/warn/templates", _of_object(grow))
        yield Input(f"{name}, before too", "/warn/templates", _of_both(grow))
    for name, grow in BOOTSTRAP.items():
        request: Json = {"namespace": "kube-system", "userInfo": {"username": CREATOR}}
        yield Input(name, "/mutate/bootstrap", _of_object(grow, **request))
    for name, make in (REQUESTS | BODIES).items():
        yield Input(name, "/mutate/workloads", make)
    yield Input("empty lists at an unknown path", "/mutate/of-tomorrow", _of_object(WORKLOADS["empty lists, wide"]))


def small_review() -> bytes:
    """Return the review that must not wait: a GPU pod of one container."""
    return review(pod())


def hostile_view(nodes: int) -> dict[str, Any]:
    """Return the view of a cluster with so many GPU nodes, as ``kubectl get -o json`` prints it."""
    from hostile.pods import HOSTNAME, LABELS, NUMBER  # noqa: PLC0415 - beside its use

    def node(number: int) -> Json:
        labels = {key: f"v{number % (2 + index % 5)}" for index, key in enumerate(LABELS)}
        labels |= {HOSTNAME: f"gpu-{number}", NUMBER: str(number), "nvidia.com/gpu.present": "true"}
        info = {"osImage": "Ubuntu 22.04.4 LTS", "architecture": "amd64", "kernelVersion": f"5.15.0-{number % 7}"}
        offered = {"nvidia.com/gpu": str(1 + number % 8)}
        spec = {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]} if number % 2 else {}
        status = {"nodeInfo": info, "capacity": offered, "allocatable": offered}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"gpu-{number}", "labels": labels},
            "spec": spec,
            "status": status,
        }

    namespaces = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"gpu-injector.io/inject": "enabled"}},
        }
        for name in ("ml", "kube-system")
    ]
    return {"apiVersion": "v1", "kind": "List", "items": [*namespaces, *map(node, range(nodes))]}
