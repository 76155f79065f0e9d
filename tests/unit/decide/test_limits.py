"""The limits of a pod: at a limit it is decided on as ever, beyond it it is left alone, and nothing of it is read."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from support.golden_cases import GOLDEN, read_view

from webhook.decide.decision import RequestInfo
from webhook.decide.ephemeral import decide_ephemeral
from webhook.decide.limits import LIMITS, exceeded_limit
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.workload import context as context_module
from webhook.decide.workload.decide import decide
from webhook.policy.model import Policy

Pod = dict[str, Any]
Grow = Callable[[int], Pod]
VIEW = read_view(GOLDEN / "view.yaml")
GPU = {"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}


def pod(*containers: Mapping[str, Any], **spec: object) -> Pod:
    """Return a GPU pod."""
    return {"metadata": {"name": "pod"}, "spec": {"containers": list(containers or [GPU]), **spec}}


def affinity(*terms: Mapping[str, Any]) -> Pod:
    """Return a GPU pod with terms of required node affinity."""
    required = {"nodeSelectorTerms": list(terms)}
    return pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}})


def many(size: int, key: str = "name") -> list[dict[str, str]]:
    """Return so many objects."""
    return [{key: f"n{number}"} for number in range(size)]


GROWN: Mapping[str, tuple[int, str, Grow]] = {
    "containers": (250, "containers", lambda n: pod(GPU, *many(n - 1))),
    "init containers": (250, "containers", lambda n: pod(GPU, initContainers=many(n - 1))),
    "debug containers": (250, "containers", lambda n: pod(GPU, ephemeralContainers=many(n - 1))),
    "no objects": (250, "containers", lambda n: pod(GPU, initContainers=[None] * (n - 1))),
    "volumes": (1000, "volumes", lambda n: pod(volumes=many(n))),
    "tolerations": (500, "tolerations", lambda n: pod(tolerations=many(n, "key"))),
    "terms": (500, "terms of node affinity", lambda n: affinity(*({"matchExpressions": []} for _ in range(n)))),
    "keys": (10_000, "values of node selectors", lambda n: pod(nodeSelector={f"k{number}": "" for number in range(n)})),
    "values": (
        10_000,
        "values of node selectors",
        lambda n: affinity({"matchExpressions": [{"key": "k", "operator": "Exists", "values": ["v"] * (n - 1)}]}),
    ),
    "matchFields": (
        10_000,
        "values of node selectors",
        lambda n: affinity({"matchFields": [{"key": "metadata.name", "operator": "Exists"}] * n}),
    ),
    "variables": (5000, "variables in a container", lambda n: pod(GPU, {"name": "x", "env": many(n)})),
    "mounts": (5000, "mounts", lambda n: pod({**GPU, "volumeMounts": many(n, "mountPath")})),
    "resources": (
        5000,
        "resources",
        lambda n: pod(GPU, {"resources": {"requests": {f"r{i}": "1" for i in range(n - 1)}}}),
    ),
}


@pytest.mark.parametrize(("most", "what", "grow"), GROWN.values(), ids=GROWN)
def test_a_pod_at_a_limit_is_decided_on(most: int, what: str, grow: Grow) -> None:
    """No limit takes a GPU from a pod that is as large as it allows."""
    assert exceeded_limit(grow(most)) is None
    assert decide(grow(most), RequestInfo("ml"), Policy(), VIEW).reason != "too-large", what


@pytest.mark.parametrize(("most", "what", "grow"), GROWN.values(), ids=GROWN)
def test_a_pod_beyond_a_limit_is_left_alone(most: int, what: str, grow: Grow, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warning names the limit; no container was read."""
    monkeypatch.setattr(context_module, "containers", lambda *_: pytest.fail("a container was read"))
    limit = f"more than {most:,} {what}"
    for facts, found in (
        ("workload", decide(grow(most + 1), RequestInfo("ml"), Policy(), VIEW)),
        ("plugin", decide_plugin(grow(most + 1), RequestInfo("kube-system"), Policy(), VIEW)),
        ("debug", decide_ephemeral(grow(most + 1), {}, RequestInfo("ml", "UPDATE"), Policy(), VIEW)),
    ):
        assert (facts, found.word) == (facts, "leave/too-large")
        assert f"the pod has {limit}" in found.warnings[0]


def test_every_limit_has_a_case() -> None:
    """A limit that is added gets a pod that exceeds it."""
    assert {(limit.most, limit.what) for limit in LIMITS} == {(most, what) for most, what, _ in GROWN.values()}


@pytest.mark.parametrize("odd", [None, 7, "x", [None], {"a": 1}])
def test_odd_values_exceed_nothing(odd: object) -> None:
    """Anything may be null, or of another type."""
    fields = ("containers", "volumes", "tolerations", "nodeSelector", "affinity")
    assert exceeded_limit({"spec": dict.fromkeys(fields, odd)}) is None
    assert exceeded_limit({"spec": odd}) is None
