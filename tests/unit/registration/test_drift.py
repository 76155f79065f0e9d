"""Differences between the entries in the cluster and those of this version: found, named, and bounded."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.names import BOOTSTRAP_ENTRY, MUTATING_ENTRIES, VALIDATING_ENTRIES, WORKLOADS_ENTRY
from webhook.policy.model import Bootstrap, Policy
from webhook.registration.drift import AKS, entry_drift
from webhook.registration.expected_entries import PATHS, expected_entry

HOME = "gpu-injector"
NAMES = (*MUTATING_ENTRIES, *VALIDATING_ENTRIES)
AKS_SELECTORS: list[dict[str, Any]] = [
    {"key": "control-plane", "operator": "DoesNotExist"},
    {"key": "control-plane", "operator": "NotIn", "values": ["true"]},
    {"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]},
]


def entry(name: str, policy: Policy | None = None) -> dict[str, Any]:
    """Return an entry as this version registers it."""
    found = json.loads(json.dumps(dict(expected_entry(name, policy or Policy(), HOME))))
    found["clientConfig"] = {"service": {"namespace": HOME, "name": "gpu-injector", "path": PATHS[name]}}
    return dict(found)


def drift(found: dict[str, Any], policy: Policy | None = None) -> list[str]:
    """Return the differences."""
    return list(entry_drift(found, policy or Policy(), HOME))


def also_selects(found: dict[str, Any], *expressions: dict[str, Any]) -> dict[str, Any]:
    """Add expressions to the namespaceSelector of an entry."""
    found["namespaceSelector"]["matchExpressions"] += expressions
    return found


@pytest.mark.parametrize("name", NAMES)
def test_another_way_to_write_an_entry_is_no_difference(name: str) -> None:
    """The API server fills in defaults, and a label may be written as an expression."""
    found = entry(name)
    found["matchConditions"] = [
        {"name": "x", "expression": f"  {one['expression']}\n"} for one in found["matchConditions"]
    ]
    found["rules"] = [
        {**rule, "resources": [resource], "operations": [operation]}
        for rule in found["rules"]
        for resource in rule["resources"]
        for operation in rule["operations"]
    ]
    labels = found["objectSelector"].pop("matchLabels", {})
    found["objectSelector"].setdefault("matchExpressions", [])
    found["objectSelector"]["matchExpressions"] += [
        {"key": key, "operator": "In", "values": [value]} for key, value in labels.items()
    ]
    found["namespaceSelector"]["matchExpressions"].reverse()
    for field, default in (("matchPolicy", "Equivalent"), ("reinvocationPolicy", "Never")):
        if found.get(field) == default:
            del found[field]
    assert drift(found) == []


@pytest.mark.parametrize("expression", AKS_SELECTORS, ids=lambda one: f"{one['key']} {one['operator']}")
@pytest.mark.parametrize("name", NAMES)
def test_what_aks_adds_is_reported_where_it_matters(name: str, expression: dict[str, Any]) -> None:
    """It excludes kube-system, for which only the entry bootstrap is called."""
    found = drift(also_selects(entry(name), expression))
    assert [AKS in line for line in found] == ([True] if name == BOOTSTRAP_ENTRY else [])


@pytest.mark.parametrize(
    ("namespaces", "reported"), [(("kube-system",), True), (("gpu-operator",), False), ((), False)]
)
def test_what_gke_autopilot_adds_is_reported_where_it_matters(namespaces: tuple[str, ...], reported: bool) -> None:  # noqa: FBT001
    """It excludes the namespaces that Google manages."""
    policy = Policy(bootstrap=Bootstrap(namespaces=namespaces))
    values = ["kube-system", "gke-gmp-system", "gke-managed-cim"]
    added = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": values}
    for name in NAMES:
        found = drift(also_selects(entry(name, policy), added), policy)
        assert ["GKE Autopilot" in line for line in found] == ([True] if name == BOOTSTRAP_ENTRY and reported else [])


def test_an_excluded_namespace_of_a_team_is_reported() -> None:
    """Also beside namespaces of a platform."""
    values = ["kube-system", "gke-gmp-system", "team-a"]
    added = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": values}
    assert "team-a" in "".join(drift(also_selects(entry(WORKLOADS_ENTRY), added)))


def test_the_cost_is_bounded() -> None:
    """A rule is a product of four lists that others may write."""
    found = entry(WORKLOADS_ENTRY)
    many = [f"x{number}" for number in range(2000)]
    found["rules"] = [
        {"apiGroups": many, "apiVersions": many, "operations": ["CREATE"], "resources": many, "scope": "*"}
    ]
    found["namespaceSelector"] = {"matchLabels": {"k" * 5000 + str(number): "v" * 5000 for number in range(200)}}
    found["matchConditions"] += [{"name": "n" * 5000, "expression": f"{number}"} for number in range(500)]
    lines = drift(found)
    assert "its rules name more than 1000 combinations" in lines
    assert sum(map(len, lines)) < 5000


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"rules": None, "namespaceSelector": [], "objectSelector": 3, "matchConditions": "x"},
        {"rules": [None, {"apiGroups": 3}], "clientConfig": [], "timeoutSeconds": "x", "failurePolicy": None},
        {"namespaceSelector": {"matchExpressions": [None, {"key": {}, "values": [{}]}], "matchLabels": []}},
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_odd_entries_are_differences_and_no_errors(name: str, broken: dict[str, Any]) -> None:
    """A file may hold anything."""
    assert drift({"name": name, **broken})


def test_an_entry_of_another_name_is_not_compared() -> None:
    """A later version's, or a person's."""
    assert drift({"name": "tomorrow.gpu-injector.io"}) == []


@given(st.data())
def test_every_change_that_matters_is_reported(data: st.DataObject) -> None:
    """Whatever part of the rules, selectors or conditions is taken away or added."""
    name = data.draw(st.sampled_from(NAMES))
    found = entry(name)
    lists = {
        "rules": found["rules"],
        "operations": found["rules"][0]["operations"],
        "resources": found["rules"][0]["resources"],
        "namespaces": found["namespaceSelector"]["matchExpressions"],
        "objects": found["objectSelector"].setdefault("matchExpressions", []),
        "conditions": found["matchConditions"],
    }
    where = lists[data.draw(st.sampled_from(sorted(lists)))]
    before = deepcopy(where)
    if where and data.draw(st.booleans()):
        del where[data.draw(st.integers(0, len(where) - 1))]
    elif where and isinstance(where[0], str):
        where.append("other")
    else:
        added = {"key": "team", "operator": "Exists", "expression": "false", "name": "n"}
        rule = {"apiGroups": ["x"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["y"]}
        where.append({**added, **rule})
    assert where != before
    assert drift(found)
