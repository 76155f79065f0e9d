"""The labels of a namespace, and what PodTolerationRestriction allows there."""

import json

import pytest

from webhook.commands.shared.view_sources import with_declared
from webhook.view.projections import view_of
from webhook.view.toleration_limits import (
    DEFAULTS_ANNOTATION,
    MAX_ANNOTATION_CHARACTERS,
    NO_LIMITS,
    WHITELIST_ANNOTATION,
    NamespaceLabels,
    TolerationLimits,
    limits_of,
    project_namespace,
)
from webhook.view.view import ClusterView

GPU = {"key": "nvidia.com/gpu", "operator": "Exists"}


def namespace(**annotations: object) -> dict[str, object]:
    """Return a Namespace with annotations, by the constants above."""
    names = {"whitelist": WHITELIST_ANNOTATION, "defaults": DEFAULTS_ANNOTATION}
    written = {names[key]: value for key, value in annotations.items()}
    metadata = {"name": "ml", "labels": {"team": "a"}, "annotations": written}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, NO_LIMITS),
        ({"whitelist": json.dumps([GPU])}, TolerationLimits((GPU,))),
        ({"whitelist": "[]"}, TolerationLimits(())),
        ({"whitelist": ""}, TolerationLimits(())),
        ({"defaults": json.dumps([GPU])}, TolerationLimits(None, (GPU,))),
        ({"whitelist": "[]", "defaults": json.dumps([GPU])}, TolerationLimits((), (GPU,))),
        ({"whitelist": "{}"}, TolerationLimits(is_readable=False)),
        ({"whitelist": "[1]"}, TolerationLimits(is_readable=False)),
        ({"whitelist": "not JSON"}, TolerationLimits(is_readable=False)),
        ({"whitelist": "[" * 20000}, TolerationLimits(is_readable=False)),
        ({"whitelist": "[" + " " * MAX_ANNOTATION_CHARACTERS + "]"}, TolerationLimits(is_readable=False)),
        ({"whitelist": json.dumps([GPU] * 501)}, TolerationLimits(is_readable=False)),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_annotations_are_read(annotations: dict[str, object], expected: TolerationLimits) -> None:
    """What cannot be read is unknown; an absent whitelist is not an empty one."""
    found = project_namespace(namespace(**annotations))
    assert (dict(found), limits_of(found)) == ({"team": "a"}, expected)


def test_labels_with_other_limits_are_not_equal() -> None:
    """A change of the annotation alone is a change."""
    limits = TolerationLimits((GPU,))
    assert NamespaceLabels({"a": "b"}, limits) == NamespaceLabels({"a": "b"}, limits)
    assert NamespaceLabels({"a": "b"}, limits) != NamespaceLabels({"a": "b"})
    assert NamespaceLabels({"a": "b"}) == {"a": "b"}
    assert NamespaceLabels({"a": "b"}) != {"a": "c"}
    assert limits_of({"a": "b"}) == NO_LIMITS


def test_a_declared_namespace_keeps_the_limits_that_it_does_not_name() -> None:
    """`kubectl apply` leaves other annotations in place."""
    view = view_of([namespace(whitelist="[]")])
    declared = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml", "labels": {"new": "yes"}}}
    after = (with_declared(view, [declared]).namespaces or {})["ml"]
    assert (dict(after), limits_of(after)) == ({"team": "a", "new": "yes"}, TolerationLimits(()))
    changed = (with_declared(view, [namespace(whitelist=json.dumps([GPU]))]).namespaces or {})["ml"]
    assert limits_of(changed) == TolerationLimits((GPU,))
    assert limits_of((with_declared(ClusterView(), [declared]).namespaces or {})["ml"]) == NO_LIMITS
