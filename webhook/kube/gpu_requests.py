"""GPU resources that an object names outside of any pod: by key, by name beside a quantity, or in a patch for a pod."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.kube.values import EMPTY, elements, items, mapping
from webhook.kube.yaml_values import YamlError, yaml_value

IsRequest = Callable[[str, object], bool]

# Argo's patch of a step's pod: JSON or YAML in a text.
POD_SPEC_PATCH = "podSpecPatch"
# A name under these keys is that of a taint or of a label, never of a resource.
NO_NAMES = frozenset({"key", "operator", "effect"})
NO_QUANTITIES = frozenset({"tolerationSeconds", "port", "weight"})
RESOURCE_LISTS = ("limits", "requests")
# Names that an operator writes out in its pods: Dynamo's. In a pod they would be no resources.
SHORT_NAMES = {"gpu": "nvidia.com/gpu"}


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """One request: the JSON pointer from the mapping that was searched, and the containers of its pod."""

    pointer: str
    containers: Sequence[Mapping[str, Any]]


def gpu_requests(
    value: Mapping[str, Any], above: Sequence[Mapping[str, Any]], is_request: IsRequest
) -> Iterator[GpuRequest]:
    """Yield the requests that are members of a mapping; ``above`` are the mappings around it, the nearest last."""
    if above and value is above[-1].get("requests") and _requests_any(mapping(above[-1].get("limits")), is_request):
        # The limits have been shown.
        return
    is_list = bool(above) and any(value is above[-1].get(word) for word in RESOURCE_LISTS)
    for key, quantity in value.items():
        name = SHORT_NAMES.get(key, key) if is_list else key
        if is_request(name, quantity):
            yield GpuRequest(f"/{_escaped(key)}", [_container(name, quantity, value, above)])
    if named := _named(value, is_request):
        yield GpuRequest("", [_container(*named, value, ())])
    containers = elements(patched_spec(value).get("containers"))
    if any(_container_requests(one, is_request) for one in items(containers)):
        yield GpuRequest(f"/{POD_SPEC_PATCH}", containers)


def patched_spec(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the PodSpec in a member ``podSpecPatch``; an empty one if it cannot be read, as with Argo's variables."""
    text = value.get(POD_SPEC_PATCH)
    return yaml_mapping(text) if isinstance(text, str) else EMPTY


def requests_gpu(pod: Mapping[str, Any], is_request: IsRequest) -> bool:
    """Say whether a container of a pod requests a GPU."""
    spec = mapping(pod.get("spec"))
    containers = [*items(spec.get("initContainers")), *items(spec.get("containers"))]
    return any(_container_requests(one, is_request) for one in containers)


def yaml_mapping(text: str) -> Mapping[str, Any]:
    """Return the mapping that a text is as YAML; an empty one if it cannot be read, or is something else."""
    try:
        found = yaml_value(text)
    except YamlError:
        return EMPTY
    return mapping(found[0]) if found else EMPTY


def _named(value: Mapping[str, Any], is_request: IsRequest) -> tuple[str, object] | None:
    """Return a resource that is named by one member and has its quantity in another."""
    if "key" in value:
        return None
    for key, name in value.items():
        if isinstance(name, str) and "/" in name and key not in NO_NAMES:
            for other, quantity in value.items():
                if other != key and other not in NO_QUANTITIES and is_request(name, quantity):
                    return name, quantity
    return None


def _requests_any(resources: Mapping[str, Any], is_request: IsRequest) -> bool:
    return any(is_request(name, quantity) for name, quantity in resources.items())


def _container_requests(container: Mapping[str, Any], is_request: IsRequest) -> bool:
    resources = mapping(container.get("resources"))
    return any(_requests_any(mapping(resources.get(word)), is_request) for word in RESOURCE_LISTS)


def _container(
    name: str, quantity: object, value: Mapping[str, Any], above: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Return the container that requests the resource, with the variables and mounts of the mapping around it."""
    outer = above[-2] if len(above) > 1 and any(value is above[-1].get(word) for word in RESOURCE_LISTS) else EMPTY
    known = {key: outer[key] for key in ("name", "env", "envFrom", "volumeMounts") if outer.get(key)}
    return {"name": "main", **known, "resources": {"limits": {name: quantity}}}


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
