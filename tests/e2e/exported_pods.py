"""The pods on which the exported policy is compared with the webhook, as their authors write them."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from e2e.namespaces import INJECT
from e2e.pods import container, pod

VISIBLE = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}
CAPABILITIES = {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "all"}
PORT = {"name": "PORT", "value": "9400"}
FROM = [{"configMapRef": {"name": "settings", "optional": True}}]
HOOK = {"restartPolicy": "Always"}
BUILD = "node.kubernetes.io/windows-build"


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


def requiring_os(operator: str, *values: str, key: str = "kubernetes.io/os") -> dict[str, Any]:
    """Return the part of a pod's spec that requires nodes by their system, or by another label."""
    return requiring_any((key, operator, values))


def requiring_any(*expressions: tuple[str, str, tuple[str, ...]]) -> dict[str, Any]:
    """Return the part of a pod's spec that requires nodes by one of some labels."""
    terms = [
        {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}
        for key, operator, values in expressions
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


def with_windows_options(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  a container's
    """Return a container with options that only Windows has."""
    options = {"securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}}}
    return {**container("windows", **fields), **options}


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
    "windows-selector": {"nodeSelector": {"kubernetes.io/os": "windows"}},
    "windows-affinity": requiring_os("In", "windows"),
    "not-linux": requiring_os("NotIn", "linux"),
    "either-system": requiring_os("In", "linux", "windows"),
    "windows-build": {"nodeSelector": {BUILD: "10.0.20348"}},
    "windows-build-affinity": requiring_os("In", "10.0.20348", key=BUILD),
    "windows-build-exists": requiring_os("Exists", key=BUILD),
    "no-windows-build": requiring_os("DoesNotExist", key=BUILD),
    "not-that-windows-build": requiring_os("NotIn", "10.0.20348", key=BUILD),
    "windows-or-a-zone": requiring_any(("kubernetes.io/os", "In", ("windows",)), ("zone", "In", ("a",))),
    "windows-or-its-build": requiring_any(("kubernetes.io/os", "In", ("windows",)), (BUILD, "Exists", ())),
    "os-and-linux-selector": {"os": {"name": "windows"}, "nodeSelector": {"kubernetes.io/os": "linux"}},
    "windows-container": {"containers": [container("main", gpus=1), with_windows_options()]},
    "windows-init-container": {"initContainers": [with_windows_options()]},
    "windows-options": {"securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}}},
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
    "too-many": {"containers": [container("main", gpus=1), *(container(f"side-{n}") for n in range(250))]},
}
# What differs, with the line of the output that says so.
STATED = {
    "too-many": "A pod of more than 250 containers is patched too, and one beyond another limit",
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
