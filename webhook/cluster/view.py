"""What the cluster has, as frozen values: the facts that a decision may look at.

Every kind is projected at the edge: of an API object only what a decision reads is kept.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

ApiObject = Mapping[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuntimeClass:
    """A RuntimeClass of node.k8s.io/v1: its name, and the handler that the node's runtime must know."""

    name: str
    handler: str


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The facts, one mapping by object name for each kind; ``None`` where the kind is unknown (not: empty)."""

    runtime_classes: Mapping[str, RuntimeClass] | None = None
    namespaces: Mapping[str, Labels] | None = None

    @classmethod
    def of(cls, objects: Iterable[ApiObject]) -> Self:
        """Return the view that API objects give, as ``kubectl get -o yaml`` prints them; other kinds are ignored."""
        found: dict[str, dict[str, Any]] = {}
        for item in objects:
            kind = KINDS.get((_group(item), str(item.get("kind"))))
            if kind:
                found.setdefault(kind.field, {})[name_of(item)] = kind.project(item)
        return cls(**{field: MappingProxyType(values) for field, values in found.items()})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind that the view keeps: the view's field, the API path of its list, and how an object is projected."""

    field: str
    path: str
    project: Callable[[ApiObject], Any]


def name_of(item: ApiObject) -> str:
    """Return ``metadata.name``, empty where there is none."""
    return str(_mapping(item.get("metadata")).get("name") or "")


def project_runtime_class(item: ApiObject) -> RuntimeClass:
    """Keep name and handler of a RuntimeClass."""
    return RuntimeClass(name=name_of(item), handler=str(item.get("handler") or ""))


def project_namespace(item: ApiObject) -> Labels:
    """Keep the labels of a Namespace."""
    labels = _mapping(_mapping(item.get("metadata")).get("labels"))
    return MappingProxyType({str(key): str(value) for key, value in labels.items()})


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _group(item: ApiObject) -> str:
    group, slash, _ = str(item.get("apiVersion")).partition("/")
    return group if slash else ""


KINDS: Mapping[tuple[str, str], Kind] = MappingProxyType(
    {
        ("node.k8s.io", "RuntimeClass"): Kind(
            "runtime_classes", "/apis/node.k8s.io/v1/runtimeclasses", project_runtime_class
        ),
        ("", "Namespace"): Kind("namespaces", "/api/v1/namespaces", project_namespace),
    }
)
