"""Webhooks after ours are named, and are no trouble."""

from pathlib import Path

import pytest
from support.doctor_cases.changes import webhook
from support.doctor_world import healthy, look

from webhook.doctor.check import State
from webhook.doctor.checks.check_mutators import later_mutators

ENABLED = {"matchLabels": {"gpu-injector.io/inject": "enabled"}}
NONE = {"matchLabels": {"team": "none"}}


@pytest.mark.parametrize(
    ("name", "selector", "evidence"),
    [
        ("istio-sidecar-injector", {}, ("called for pods after ours: istio-sidecar-injector",)),
        ("istio-sidecar-injector", ENABLED, ("called for pods after ours: istio-sidecar-injector",)),
        ("istio-sidecar-injector", NONE, ()),
        ("a-first", {}, ()),
    ],
)
async def test_webhooks_that_are_called_after_ours_are_named(
    name: str, selector: dict[str, object], evidence: tuple[str, ...], tmp_path: Path
) -> None:
    """Those for pods of an opted-in namespace, whose configuration's name comes after ours."""
    cluster = healthy()
    cluster.add(webhook(name, namespaceSelector=selector, failurePolicy="Ignore"))
    result = later_mutators(await look(cluster, tmp_path))
    assert (result.state, result.evidence) == (State.PASS, evidence)


async def test_a_limit_range_of_another_namespace_is_none_of_ours(tmp_path: Path) -> None:
    """Pods there are not patched."""
    cluster = healthy()
    spec = {"limits": [{"type": "Container", "default": {"nvidia.com/gpu": "1"}}]}
    metadata = {"name": "gpus", "namespace": "kube-system"}
    cluster.add({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": spec})
    assert later_mutators(await look(cluster, tmp_path)).state is State.PASS
