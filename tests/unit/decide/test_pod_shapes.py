"""What a pod's shape alone decides: the system that it is for, and its size."""

from typing import Any

import pytest

from webhook.decide.pod_size import exceeded_limit
from webhook.decide.windows_pods import is_windows


def _term(*expressions: tuple[str, str, list[str]]) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": word, "values": values} for key, word, values in expressions]}


def _requiring(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


OS = "kubernetes.io/os"
WINDOWS_TERM = _term((OS, "In", ["windows"]))


@pytest.mark.parametrize(
    ("spec", "for_windows"),
    [
        ({"os": {"name": "windows"}}, True),
        ({"os": {"name": "linux"}, "nodeSelector": {OS: "windows"}}, False),
        ({"nodeSelector": {OS: "windows"}}, True),
        ({"nodeSelector": {"beta.kubernetes.io/os": "windows"}}, True),
        ({"nodeSelector": {OS: "linux"}}, False),
        (_requiring(WINDOWS_TERM), True),
        (_requiring(WINDOWS_TERM, _term((OS, "In", ["windows"]), ("zone", "In", ["a"]))), True),
        (_requiring(WINDOWS_TERM, _term(("zone", "In", ["a"]))), False),
        (_requiring(_term((OS, "In", ["windows", "linux"]))), False),
        (_requiring(_term((OS, "NotIn", ["linux"]))), True),
        (_requiring(_term((OS, "NotIn", ["windows"]))), False),
        (_requiring(), False),
        ({"securityContext": {"windowsOptions": {"hostProcess": True}}}, True),
        ({"containers": [{"securityContext": {"windowsOptions": {"runAsUserName": "x"}}}]}, True),
        ({"containers": [{"securityContext": {"windowsOptions": {}}}]}, False),
        ({}, False),
    ],
)
def test_a_pod_is_for_windows_if_no_other_node_fits(spec: dict[str, Any], *, for_windows: bool) -> None:
    """By its system, node selector, required affinity or options; preferences do not count."""
    assert is_windows({"spec": spec}) is for_windows


LARGE: list[tuple[str, dict[str, Any]]] = [
    ("251 containers", {"containers": [{}] * 251}),
    ("251 containers", {"containers": [{}] * 200, "initContainers": [{}] * 51}),
    ("1001 volumes", {"volumes": [{}] * 1001}),
    ("501 tolerations", {"tolerations": [{}] * 501}),
    ("5001 variables in a container", {"containers": [{}, {"env": [{}] * 5001}]}),
    ("1001 mounts in a container", {"containers": [{"volumeMounts": [{}] * 1001}]}),
    ("501 node selector terms", _requiring(*[WINDOWS_TERM] * 501)),
    ("501 node selectors", {"nodeSelector": {str(number): "" for number in range(501)}}),
    ("10001 values of node selectors", _requiring(_term((OS, "In", ["a"] * 5000), (OS, "In", ["a"] * 4999)))),
]


@pytest.mark.parametrize(("limit", "spec"), LARGE)
def test_the_exceeded_limit_is_named(limit: str, spec: dict[str, Any]) -> None:
    """The author reads which number is too large."""
    assert exceeded_limit({"spec": spec}).startswith(f"{limit}, more than ")


def test_a_pod_at_every_limit_is_small_enough() -> None:
    """The limits themselves are allowed."""
    container: dict[str, Any] = {"env": [{}] * 5000, "volumeMounts": [{}] * 1000}
    spec = {"containers": [container] * 250, "volumes": [{}] * 1000, "tolerations": [{}] * 500}
    assert exceeded_limit({"spec": {**spec, **_requiring(*[_term((OS, "In", ["a"] * 19))] * 500)}}) == ""
