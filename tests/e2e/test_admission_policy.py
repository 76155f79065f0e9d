"""`export mutating-admission-policy` on the real API server: for many pods its result is ours.

Where it is not, the comments of the output say so; those pods are in ``STATED`` with the line that does.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import jsonpatch
import pytest
import yaml

from e2e.control_plane import ControlPlane
from e2e.kubectl import Kubectl
from e2e.namespaces import DRY_RUN, ENABLED, INJECT, UNLABELLED
from e2e.pods import container, decision_of, pod
from e2e.processes import until
from webhook.cluster.view import ClusterView, RuntimeClass
from webhook.decide.case import RequestFacts
from webhook.decide.decision import Verdict
from webhook.decide.workload import decide
from webhook.policy import Policy
from webhook.policy_file import parse_policy

# 1.33 does not know the kind yet.
pytestmark = pytest.mark.parametrize("minor", ["1.37"], indirect=True, scope="session")

POLICY = "driverCapabilities: compute,utility\naddToleration: true\nresources: [nvidia.com/gpu, nvidia.com/mig-*]\n"
VISIBLE = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}
CAPABILITIES = {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "all"}
PORT = {"name": "PORT", "value": "9400"}
FROM = [{"configMapRef": {"name": "settings", "optional": True}}]
HOOK = {"restartPolicy": "Always"}


def quantity(name: str, value: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  a container's
    """Return a container that requests so much of a resource."""
    resources = {"limits": {name: value}, "requests": {name: value}}
    return {**container("main"), "resources": resources, **fields}


def mounting(path: str, *, by: str = "main") -> dict[str, Any]:
    """Return the fields of a pod in which a container mounts a path of the host."""
    mount = [{"name": "host", "mountPath": "/host"}]
    return {
        "containers": [
            {**container("main", gpus=1), **({"volumeMounts": mount} if by == "main" else {})},
            {**container("side"), **({"volumeMounts": mount} if by == "side" else {})},
        ],
        "volumes": [{"name": "host", "hostPath": {"path": path}}],
    }


MAIN = {
    "gpu": container("main", gpus=1),
    "gpu-env": container("main", gpus=1, env=[PORT]),
    "gpu-capabilities": container("main", gpus=2, env=[CAPABILITIES]),
    "gpu-env-from": container("main", gpus=1, envFrom=FROM),
}
SIDE: Mapping[str, list[Any]] = {
    "alone": [],
    "side": [container("side")],
    "side-env": [container("side", env=[PORT])],
    "side-visible": [container("side", env=[PORT, VISIBLE])],
    "side-env-from": [container("side", envFrom=FROM)],
    "side-zero": [container("side", gpus=0)],
    "two": [container("side", env=[PORT]), container("other")],
}
INIT: Mapping[str, dict[str, Any]] = {
    "": {},
    "init": {"initContainers": [container("before", env=[PORT])]},
}
ODD: Mapping[str, dict[str, Any]] = {
    "no-gpu": {"containers": [container()]},
    "zero": {"containers": [container(gpus=0)]},
    "zero-kilo": {"containers": [quantity("nvidia.com/gpu", "0k")]},
    "kilo": {"containers": [quantity("nvidia.com/gpu", "1k")]},
    "mig": {"containers": [quantity("nvidia.com/mig-1g.5gb", "1")]},
    "not-in-the-policy": {"containers": [quantity("nvidia.com/gpu.shared", "1")]},
    "passthrough": {"containers": [quantity("nvidia.com/GA102GL_A10", "1")]},
    "init-only": {"initContainers": [container("before", gpus=1)], "containers": [container()]},
    "native-sidecar": {"initContainers": [container("proxy", **HOOK)]},
    "own-class": {"runtimeClassName": "gvisor"},
    "our-class-by-the-author": {"runtimeClassName": "nvidia"},
    "user-namespace": {"hostUsers": False},
    "host-users": {"hostUsers": True},
    "windows": {"os": {"name": "windows"}},
    "linux": {"os": {"name": "linux"}},
    "library": mounting("/usr/lib/x86_64-linux-gnu/libcuda.so.1"),
    "versioned-library": mounting("/opt/x/libnvidia-ml.so.535.288.01"),
    "library-of-another": mounting("/usr/lib/x86_64-linux-gnu/libcudart.so.12"),
    "library-directory": mounting("/usr/lib64"),
    "library-directory-slash": mounting("/usr/lib64/"),
    "below-a-library-directory": mounting("/usr/lib64/python3"),
    "driver-directory": mounting("/usr/local/nvidia/lib64"),
    "like-a-driver-directory": mounting("/usr/local/nvidia-data"),
    "driver-mounted-by-another": mounting("/usr/lib64", by="side"),
    "data": mounting("/data"),
    "tolerated": {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]},
    "tolerates-all": {"tolerations": [{"operator": "Exists"}]},
    "tolerates-other": {"tolerations": [{"key": "team", "operator": "Equal", "value": "a"}]},
    "path-with-two-slashes": mounting("/usr//lib64"),
}
STATED = {
    "path-with-two-slashes": "Host paths of mounts are compared as they are written",
    "large": "A pod with more than 65000 characters of annotations does not get ours",
}
METADATA: Mapping[str, dict[str, Any]] = {
    "annotated": {"annotations": {"a": "b"}},
    "opted-out": {"labels": {INJECT: "disabled"}},
    "odd-label": {"labels": {INJECT: "maybe"}},
    "forged": {"annotations": {"gpu-injector.io/decision": "inject/runtime-class"}},
    "forged-leave": {"annotations": {"gpu-injector.io/decision": "leave/author-chose"}},
    "large": {"annotations": {"a": "b" * 70_000}},
}


def corpus() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the pods by name, as an author writes them, without a namespace."""
    for (main, one), (side, more), (init, fields) in product(MAIN.items(), SIDE.items(), INIT.items()):
        yield f"{main}-{side}{'-' if init else ''}{init}", pod("", one, *more, **fields)
    for name, spec in ODD.items():
        written = pod("")
        yield name, {**written, "spec": {**written["spec"], **spec}}
    for name, metadata in METADATA.items():
        written = pod("", container(gpus=1), container("side"))
        yield name, {**written, "metadata": {**written["metadata"], **metadata}}
    mirror = pod("", nodeName="node")
    yield "mirror", {**mirror, "metadata": {**mirror["metadata"], "annotations": {"kubernetes.io/config.mirror": "x"}}}
    forged = pod("", container(gpus=1), container("side"), runtimeClassName="nvidia")
    annotations = {"gpu-injector.io/decision": "inject/runtime-class"}
    yield "reinvoked", {**forged, "metadata": {**forged["metadata"], "annotations": annotations}}


CORPUS = dict(corpus())


@dataclass(frozen=True, slots=True)
class Exported:
    """The API server with the exported policy, and what it printed."""

    kubectl: Kubectl
    policy: Policy
    text: str

    def admitted(self, written: Mapping[str, Any], namespace: str) -> dict[str, Any]:
        """Return the pod as the API server would store it."""
        metadata = {**written["metadata"], "namespace": namespace}
        return self.kubectl.create({**written, "metadata": metadata}, "--dry-run=server").object


@pytest.fixture(scope="module")
def exported(plane: ControlPlane, webhook_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """Apply what the command prints, until a pod is patched by it; the webhook itself does not run."""
    assert webhook_port
    file = tmp_path_factory.mktemp("policy-") / "policy.yaml"
    file.write_text(POLICY)
    command = [sys.executable, "-m", "webhook", "export", "mutating-admission-policy", "--policy", str(file)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    plane.kubectl.run("apply", "-f", "-", stdin=text)
    ready = Exported(plane.kubectl, parse_policy(POLICY, "policy"), text)
    until(lambda: decision_of(ready.admitted(CORPUS["gpu-alone"], ENABLED)), "the exported policy is in effect")
    yield ready
    plane.kubectl.run("delete", "-f", "-", stdin=text)


def ours(exported: Exported, written: Mapping[str, Any], namespace: str, label: str) -> dict[str, Any]:
    """Return what the webhook would make of a pod, which the API server shows as it is without any policy."""
    plain = exported.admitted(written, UNLABELLED)
    view = ClusterView({"nvidia": RuntimeClass("nvidia", "nvidia")}, {namespace: {INJECT: label}})
    decision = decide(plain, RequestFacts(namespace), exported.policy, view)
    # Stated: "It annotates only what it patches", and "It has no dry-run".
    if decision.verdict is Verdict.LEAVE or decision.dry_run:
        return plain
    patched: dict[str, Any] = jsonpatch.JsonPatch(decision.operations).apply(plain)
    return patched


def comparable(admitted: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what a mutation may change of a pod."""
    return admitted["spec"], admitted["metadata"].get("annotations", {})


def test_the_corpus_is_large(exported: Exported) -> None:
    """At least sixty pods, and every difference that is allowed is written in the output."""
    assert len(CORPUS) >= 60
    assert all(line in exported.text for line in STATED.values())
    kinds = [document["kind"] for document in yaml.safe_load_all(exported.text)]
    assert kinds == ["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"]


@pytest.mark.parametrize("name", CORPUS)
def test_the_result_is_ours(exported: Exported, name: str) -> None:
    """The same spec and annotations, or a difference that the output states."""
    admitted = comparable(exported.admitted(CORPUS[name], ENABLED))
    assert (admitted == comparable(ours(exported, CORPUS[name], ENABLED, "enabled"))) is (name not in STATED)


@pytest.mark.parametrize(("namespace", "label"), [(UNLABELLED, ""), (DRY_RUN, "dry-run")])
def test_other_namespaces_are_left_alone(exported: Exported, namespace: str, label: str) -> None:
    """No label, and dry-run, which it does not know: as stated."""
    written = CORPUS["gpu-side"]
    assert comparable(exported.admitted(written, namespace)) == comparable(ours(exported, written, namespace, label))


def test_without_the_class_nothing_is_patched(exported: Exported) -> None:
    """Its parameter is the RuntimeClass: a class that is gone is not set at the next request."""
    exported.kubectl.run("delete", "runtimeclass", "nvidia")
    try:
        until(lambda: not decision_of(exported.admitted(CORPUS["gpu-side"], ENABLED)), "the class is not set any more")
        plain = exported.admitted(CORPUS["gpu-side"], UNLABELLED)
        assert comparable(exported.admitted(CORPUS["gpu-side"], ENABLED)) == comparable(plain)
    finally:
        exported.kubectl.apply(
            [
                {
                    "apiVersion": "node.k8s.io/v1",
                    "kind": "RuntimeClass",
                    "metadata": {"name": "nvidia"},
                    "handler": "nvidia",
                }
            ]
        )
