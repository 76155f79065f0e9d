"""Questions to a pod: the raw JSON object that its author wrote, in which anything may be missing, null or odd."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from webhook.cluster.drivers import host_paths, is_driver_path
from webhook.policy.model import Policy
from webhook.raw import elements, items, mapping

Pod = Mapping[str, Any]

MIRROR_KEY = "kubernetes.io/config.mirror"

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod: where it stands, what its author wrote, and the GPU resources that it requests.

    ``names_gpu`` holds for a request of zero, too.
    """

    pointer: str
    spec: Mapping[str, Any]
    gpu_resources: frozenset[str] = frozenset()
    names_gpu: bool = False

    @property
    def requests_gpu(self) -> bool:
        """Say whether the container requests a positive quantity of a GPU resource."""
        return bool(self.gpu_resources)

    @property
    def may_define(self) -> bool:
        """Say whether variables come from sources that are not in the pod (``envFrom``)."""
        return bool(self.spec.get("envFrom"))

    def defines(self, variable: str) -> bool:
        """Say whether the author sets this environment variable, or may set it by ``envFrom``."""
        return self.may_define or any(item.get("name") == variable for item in items(self.spec.get("env")))


def containers(pod: Pod, policy: Policy) -> tuple[Container, ...]:
    """Return init containers (sidecars among them) and containers, in the order in which they start."""
    spec = mapping(pod.get("spec"))
    return tuple(
        _container(f"/spec/{field}/{index}", item, policy)
        for field in ("initContainers", "containers")
        for index, item in enumerate(elements(spec.get(field)))
        if isinstance(item, dict)
    )


def _container(pointer: str, spec: Mapping[str, Any], policy: Policy) -> Container:
    resources = mapping(spec.get("resources"))
    quantities = [
        (name, quantity)
        for field in ("limits", "requests")
        for name, quantity in mapping(resources.get(field)).items()
        if policy.is_gpu_resource(name)
    ]
    positive = frozenset(name for name, quantity in quantities if is_positive(quantity))
    return Container(pointer, spec, positive, bool(quantities))


def is_positive(quantity: object) -> bool:
    """Say whether a Kubernetes quantity (``"1"``, ``1``, ``"1k"``, ``"0"``) is more than nothing.

    What the API server would refuse as a quantity asks for nothing.
    """
    if isinstance(quantity, bool) or not isinstance(quantity, str | int | float):
        return False
    match = QUANTITY.fullmatch(str(quantity))
    return match is not None and Decimal(match[1]) > 0


def is_mirror(pod: Pod) -> bool:
    """Say whether the pod only shows a static pod, which a kubelet runs from a file whatever we answer."""
    return MIRROR_KEY in annotations(pod)


def is_windows(pod: Pod) -> bool:
    """Say whether the pod is for Windows nodes."""
    return mapping(mapping(pod.get("spec")).get("os")).get("name") == "windows"


def annotations(pod: Pod) -> Mapping[str, Any]:
    """Return the pod's annotations."""
    return mapping(mapping(pod.get("metadata")).get("annotations"))


def label(pod: Pod, key: str) -> object:
    """Return the value of one of the pod's labels, None where it has none."""
    return mapping(mapping(pod.get("metadata")).get("labels")).get(key)


def runtime_class_name(pod: Pod) -> str:
    """Return the RuntimeClass that the pod names; the empty name counts as none."""
    return str(mapping(pod.get("spec")).get("runtimeClassName") or "")


def driver_mounts(pod: Pod, container: Container) -> Iterator[str]:
    """Yield the host's paths of NVIDIA libraries, or driver directories, that the container mounts by itself."""
    return filter(is_driver_path, host_paths(mapping(pod.get("spec")), container.spec))
