"""Merge views: of a live cluster, of files, and of manifests that would be created."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from webhook.kube.values import EMPTY
from webhook.observations.plugin_observation import Observations
from webhook.observations.setback import Setbacks
from webhook.view.projections import view_of
from webhook.view.toleration_limits import NO_LIMITS, NamespaceLabels, limits_of
from webhook.view.view import ClusterView, Labels


def merged(below: ClusterView, above: ClusterView) -> ClusterView:
    """Return a view with the objects of both; for the same name the upper one wins."""
    values = {field.name: _both(getattr(below, field.name), getattr(above, field.name)) for field in fields(below)}
    return ClusterView(**values)


def with_declared(view: ClusterView, objects: Iterable[Mapping[str, Any]]) -> ClusterView:
    """Return the view once the namespaces and RuntimeClasses among some objects have been created."""
    declared = view_of(objects)
    named = declared.namespaces or EMPTY
    labels = {name: _joined((view.namespaces or EMPTY).get(name), own) for name, own in named.items()}
    return replace(
        view,
        namespaces=_both(view.namespaces, MappingProxyType(labels)) if named else view.namespaces,
        runtime_classes=_both(view.runtime_classes, declared.runtime_classes),
    )


def _joined(present: Labels | None, own: Labels) -> Labels:
    # An apply keeps the labels and annotations that it does not name.
    limits = limits_of(own)
    return NamespaceLabels({**(present or EMPTY), **own}, limits_of(present) if limits == NO_LIMITS else limits)


def _both(below: Any, above: Any) -> Any:  # noqa: ANN401  a field of the view
    if below is None or above is None:
        return above if below is None else below
    if isinstance(below, Observations | Setbacks):
        return below.updated(above)
    return below | above if isinstance(below, frozenset) else MappingProxyType({**below, **above})
