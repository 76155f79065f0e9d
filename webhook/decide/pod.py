"""Questions to a pod: the raw JSON object, in which anything may be missing, null or of another type."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from webhook.kube.containers import host_paths
from webhook.kube.quantity import is_positive, is_quantity
from webhook.kube.values import elements, items, mapping, text
from webhook.nvidia.own_driver_mounts import is_driver_path
from webhook.policy.model import Policy

Pod = Mapping[str, Any]

MIRROR_KEY = "kubernetes.io/config.mirror"


class Container(NamedTuple):
    """One container of a pod: its JSON pointer, its spec, and the GPU resources that it requests.

    ``names_gpu`` is also true for a request of zero.
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


def container_count(pod: Pod) -> int:
    """Return how many containers of all kinds a pod lists."""
    spec = mapping(pod.get("spec"))
    return sum(len(elements(spec.get(field))) for field in ("initContainers", "containers", "ephemeralContainers"))


def requests_gpu(pod: Pod, policy: Policy) -> bool:
    """Say whether some container requests a GPU, without building any ``Container``."""
    spec = mapping(pod.get("spec"))
    specs = (item for field in ("initContainers", "containers") for item in items(spec.get(field)))
    return any(is_positive(quantity) for item in specs for _, quantity in _gpu_quantities(item, policy))


def _container(pointer: str, spec: Mapping[str, Any], policy: Policy) -> Container:
    quantities = _gpu_quantities(spec, policy)
    if not quantities:
        return Container(pointer, spec)
    return Container(pointer, spec, frozenset(name for name, amount in quantities if is_positive(amount)), True)


def _gpu_quantities(spec: Mapping[str, Any], policy: Policy) -> list[tuple[str, object]]:
    """Return the GPU resources that a container names, with their quantities."""
    resources = mapping(spec.get("resources"))
    return [
        (name, quantity)
        for field in ("limits", "requests")
        for name, quantity in mapping(resources.get(field)).items()
        # A name without a domain, such as cpu, is never a GPU.
        if "/" in name and policy.is_gpu_resource(name)
    ]


def is_mirror(pod: Pod) -> bool:
    """Say whether the pod is the mirror of a static pod, which a kubelet runs from a file."""
    return MIRROR_KEY in annotations(pod)


def odd_quantities(pod: Pod, policy: Policy) -> Iterator[tuple[str, str, str]]:
    """Yield container, resource and value of requests for a GPU whose value is no quantity."""
    spec = mapping(pod.get("spec"))
    for field in ("initContainers", "containers"):
        for item in items(spec.get(field)):
            for name, value in _gpu_quantities(item, policy):
                # The API server reads null as zero.
                if value is not None and not is_quantity(value):
                    yield text(item.get("name")), name, text(value)


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
    """Yield the host's paths of NVIDIA libraries, or driver directories, that the author mounts into a container."""
    return filter(is_driver_path, host_paths(mapping(pod.get("spec")), container.spec))
