"""What a pod's shape alone decides: the system that it is for. Its size: test_limits.py."""

from typing import Any

import pytest

from webhook.decide.windows_pods import is_windows


def _term(*expressions: tuple[str, str, list[str]]) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": word, "values": values} for key, word, values in expressions]}


def _requiring(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


OS, BUILD = "kubernetes.io/os", "node.kubernetes.io/windows-build"
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
        ({"nodeSelector": {BUILD: "10.0.20348"}}, True),
        (_requiring(_term((BUILD, "In", ["10.0.20348", "10.0.26100"]))), True),
        (_requiring(_term((BUILD, "Exists", []))), True),
        (_requiring(_term((BUILD, "NotIn", ["10.0.20348"]))), False),
        (_requiring(_term((BUILD, "DoesNotExist", []))), False),
        (_requiring(), False),
        ({"securityContext": {"windowsOptions": {"hostProcess": True}}}, True),
        ({"containers": [{"securityContext": {"windowsOptions": {"runAsUserName": "x"}}}]}, True),
        ({"containers": [{"securityContext": {"windowsOptions": {}}}]}, False),
        ({"initContainers": [{"securityContext": {"windowsOptions": {"runAsUserName": "x"}}}]}, True),
        (_requiring({"matchExpressions": [{"key": ["x"], "operator": "In"}]}), False),
        (_requiring({"matchExpressions": [{"key": BUILD, "operator": {}}]}), False),
        ({}, False),
    ],
)
def test_a_pod_is_for_windows_if_no_other_node_fits(spec: dict[str, Any], *, for_windows: bool) -> None:
    """By its system, node selector, required affinity or options; preferences do not count."""
    assert is_windows({"spec": spec}) is for_windows
