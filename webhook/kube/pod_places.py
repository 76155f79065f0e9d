"""The places of an object at which pods are described: templates, PodSpecs, steps, and single GPU requests.

They are found by their shape, so that kinds of which nothing is known are searched, too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any

from webhook.kube.gpu_requests import GpuRequest, gpu_requests, patched_spec, requests_gpu, yaml_mapping
from webhook.kube.object_rules import NO_REQUESTS, ObjectKind, kind_of
from webhook.kube.values import EMPTY, elements, mapping

# The members under which operators expect a PodSpec without `metadata` and `spec`.
POD_SPEC_KEYS = frozenset({"predictor", "transformer", "explainer", "template", "worker", "workerSpec", "podSpec"})
# Fields of PodSpecs that other objects with a list of containers do not have.
POD_SPEC_FIELDS = frozenset(
    {
        *("restartPolicy", "terminationGracePeriodSeconds", "dnsPolicy", "schedulerName", "hostNetwork"),
        *("enableServiceLinks", "shareProcessNamespace", "automountServiceAccountToken", "preemptionPolicy"),
    }
)
# Fields of a PodSpec that operators take above a container, and that matter to the decision.
POD_FIELDS = ("nodeSelector", "tolerations", "affinity", "runtimeClassName", "volumes", "hostUsers")


# The members of a step that its pod is built from.
STEP_MEMBERS = ("container", "script", "containerSet", "sidecars", "initContainers", "metadata")


# Texts from which operators create objects: Argo Workflows' resources, and a chart's values for Argo CD and K3s.
TEXT_KEYS = frozenset({"manifest", "values", "valuesContent"})


class Shape(StrEnum):
    """What is at a place."""

    POD = "pod"
    TEMPLATE = "template"
    POD_SPEC = "podspec"
    STEP = "step"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class PodPlace:
    """One place, its JSON pointer, the pod that it describes, and the object that it belongs to.

    The object is the searched one, or one within it, such as a manifest in a policy that generates it.
    """

    shape: Shape
    pointer: str
    pod: Mapping[str, Any]
    owner: ObjectKind


@dataclass(frozen=True, slots=True)
class _Way:
    """Where the search is: pointer, last key, depth in the owning object, and the fields of pods seen above."""

    pointer: str
    key: str
    depth: int
    owner: ObjectKind
    fields: Mapping[str, Any]
    above: tuple[Mapping[str, Any], ...] = ()


IsRequest = Callable[[str, object], bool]


def pod_places(item: Mapping[str, Any], is_request: IsRequest) -> Iterator[PodPlace]:
    """Yield the places of an object; ``is_request`` says whether a resource's name and quantity request a GPU."""
    kind = kind_of(item)
    if kind is None or not kind.makes_pods:
        return
    if kind == ObjectKind("", "Pod"):
        yield PodPlace(Shape.POD, "", item, kind)
        return
    yield from _search(item, _Way("", "", 0, kind, EMPTY), is_request)


def _search(value: object, way: _Way, is_request: IsRequest) -> Iterator[PodPlace]:
    if isinstance(value, dict):
        yield from _in_mapping(value, way, is_request)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _search(child, replace(way, pointer=f"{way.pointer}/{index}"), is_request)


def _in_mapping(value: Mapping[str, Any], way: _Way, is_request: IsRequest) -> Iterator[PodPlace]:
    inner = kind_of(value) if way.pointer and isinstance(value.get("apiVersion"), str) else None
    if inner:
        if not inner.makes_pods:
            return
        way = replace(way, owner=inner, depth=0)
    skipped: tuple[str, ...] = ()
    if way.pointer and _is_template(value):
        yield PodPlace(Shape.TEMPLATE, way.pointer, value, way.owner)
        return
    is_step = _is_step(value)
    if is_step:
        yield PodPlace(Shape.STEP, way.pointer, _pod_of_step(value, way.fields), way.owner)
        skipped = STEP_MEMBERS
    if way.owner.has_pod_specs and way.pointer != "/spec" and _is_pod_spec(value, way.key):
        yield PodPlace(
            Shape.POD_SPEC, way.pointer, {"metadata": {"labels": value.get("labels")}, "spec": value}, way.owner
        )
        skipped = ("containers", "initContainers")
    fields = {**way.fields, **_pod_fields(value), **patched_spec(value)}
    for request in () if is_step else gpu_requests(value, way.above, is_request):
        yield PodPlace(Shape.REQUEST, way.pointer + request.pointer, _pod_of_request(request, fields), way.owner)
    for key, child in value.items():
        if key not in skipped and key not in NO_REQUESTS and way.owner.is_searched(key, way.depth):
            below = _Way(
                f"{way.pointer}/{_escaped(key)}", key, way.depth + 1, way.owner, fields, (*way.above[-1:], value)
            )
            yield from _below(child, below, is_request)


def _below(value: object, way: _Way, is_request: IsRequest) -> Iterator[PodPlace]:
    if way.key in TEXT_KEYS and isinstance(value, str):
        return islice(_in_text(value, way, is_request), 1)
    return _search(value, way, is_request)


def _in_text(value: str, way: _Way, is_request: IsRequest) -> Iterator[PodPlace]:
    """Yield the GPU pods in a text that is YAML, all with the pointer of the text: nothing is written into it."""
    for place in _search(yaml_mapping(value), way, is_request):
        if requests_gpu(place.pod, is_request):
            yield replace(place, shape=Shape.REQUEST, pointer=way.pointer)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1") if "/" in key or "~" in key else key


def _pod_fields(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a PodSpec in a mapping; NVIDIA's operators name the class ``runtimeClass``."""
    found = {name: value[name] for name in POD_FIELDS if value.get(name)}
    named = value.get("runtimeClass")
    return {"runtimeClassName": named, **found} if named and isinstance(named, str) else found


def _pod_of_request(request: GpuRequest, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"metadata": {}, "spec": {**fields, "containers": request.containers}}


def _pod_of_step(step: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the pod that Argo builds from a step, which names its containers and parts of a pod beside them.

    Source: https://argo-workflows.readthedocs.io/en/latest/fields/#template
    """
    own = {**fields, **_pod_fields(step), **patched_spec(step)}
    main = [{"name": "main", **mapping(step.get(word))} for word in ("container", "script") if step.get(word)]
    main = main or elements(mapping(step.get("containerSet")).get("containers"))
    containers = [*own.pop("containers", ()), *main, *elements(step.get("sidecars"))]
    spec = {**own, "containers": containers, "initContainers": elements(step.get("initContainers"))}
    return {"metadata": mapping(step.get("metadata")), "spec": spec}


def _is_template(value: Mapping[str, Any]) -> bool:
    return _has_containers(mapping(value.get("spec")))


def _is_pod_spec(value: Mapping[str, Any], key: str) -> bool:
    return _has_containers(value) and (key in POD_SPEC_KEYS or not POD_SPEC_FIELDS.isdisjoint(value))


def _has_containers(spec: Mapping[str, Any]) -> bool:
    # Some custom kinds name a container only by its image.
    containers = elements(spec.get("containers"))
    return bool(containers) and all(isinstance(one, dict) and ("name" in one or "image" in one) for one in containers)


def _is_step(value: Mapping[str, Any]) -> bool:
    return "name" in value and (
        any("image" in mapping(value.get(word)) for word in ("container", "script"))
        or _has_containers(mapping(value.get("containerSet")))
    )
