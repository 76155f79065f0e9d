"""Compares the entries in the cluster with those that this version renders for the policy. Pure.

Rules, selectors and conditions decide for which objects the API server calls us. Other programs may change them: an
administrator, a GitOps tool, a thief of our token, or the provider of the cluster.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

from webhook.kube.metadata import NAMESPACE_NAME_LABEL
from webhook.kube.values import elements, items, mapping, text
from webhook.names import BOOTSTRAP_ENTRY, MUTATING_ENTRIES, VALIDATING_ENTRIES
from webhook.policy.model import Policy
from webhook.registration.expected_entries import PATHS, expected_entry

# The API server allows 30; pods wait for it.
LONGEST_SECONDS = 10
# An entry is written by others. Its rules are a product of lists.
MOST_CALLS = 1000
SHOWN, SHOWN_LENGTH = 3, 160
# Further fields with the API server's defaults.
PLAIN_FIELDS = {"matchPolicy": "Equivalent", "sideEffects": "", "reinvocationPolicy": "Never"}
# AKS excludes its own namespaces from every webhook, GKE Autopilot the namespaces that Google manages
# (docs/platform-facts.md).
AKS_KEYS = ("control-plane", "kubernetes.azure.com/managedby")
AKS = (
    "AKS's Admissions Enforcer adds this: set the chart value `webhookAnnotations` to"
    ' {admissions.enforcer/disabled: "true"}'
)
AUTOPILOT = "GKE Autopilot adds this, and offers no way to opt out: it does not allow webhooks in its own namespaces"
SYSTEM = ("kube-", "gke-", "gmp-")

Entry = Mapping[str, Any]
Expression = tuple[str, str, frozenset[str]]


def missing_entries(present: Iterable[str]) -> tuple[str, ...]:
    """Return the names of our entries that are not registered."""
    names = set(present)
    return tuple(name for name in (*MUTATING_ENTRIES, *VALIDATING_ENTRIES) if name not in names)


def entry_drift(entry: Entry, policy: Policy, home: str) -> Iterator[str]:
    """Yield how an entry of ours differs from what this version renders; ``home`` is our own namespace."""
    name = text(entry.get("name"))
    if name not in PATHS:
        return
    expected = expected_entry(name, policy, home)
    yield from _failure(entry)
    yield from _path(entry, PATHS[name])
    yield from _rules(elements(entry.get("rules")), elements(expected["rules"]))
    yield from _namespaces(name, entry, expected, policy)
    yield from _objects(entry, expected)
    yield from _conditions(entry, expected)
    for field, default in PLAIN_FIELDS.items():
        found = text(entry.get(field)) or default
        if field in expected and found and found != expected[field]:
            yield f"its {field} is {_cut(found)} in place of {expected[field]}"


def _failure(entry: Entry) -> Iterator[str]:
    if entry.get("failurePolicy") != "Ignore":
        yield f"failurePolicy is {text(entry.get('failurePolicy'))}, so that pods are refused while the webhook is away"
    seconds = entry.get("timeoutSeconds", LONGEST_SECONDS)
    if not isinstance(seconds, int) or seconds >= LONGEST_SECONDS:
        yield f"timeoutSeconds is {_cut(text(seconds))}: creating pods may take that long"


def _path(entry: Entry, path: str) -> Iterator[str]:
    client = mapping(entry.get("clientConfig"))
    found = text(mapping(client.get("service")).get("path"))
    # A collected file has only the host of a URL.
    if found and found != path:
        yield f"its path is {_cut(found)} in place of {path}"


def _rules(found: Sequence[Any], expected: Sequence[Any]) -> Iterator[str]:
    if sum(_count(rule) for rule in items(found)) > MOST_CALLS:
        yield f"its rules name more than {MOST_CALLS} combinations"
        return
    calls, wanted = set(_calls(found)), set(_calls(expected))
    if wanted - calls:
        yield f"its rules lack {_some(map(_words, wanted - calls))}"
    if calls - wanted:
        yield f"its rules also name {_some(map(_words, calls - wanted))}"


def _count(rule: Entry) -> int:
    return prod(len(elements(rule.get(field))) for field in ("apiGroups", "apiVersions", "operations", "resources"))


def _calls(rules: Sequence[Any]) -> Iterator[tuple[str, ...]]:
    for rule in items(rules):
        scope = text(rule.get("scope")) or "*"
        fields = (elements(rule.get(name)) for name in ("operations", "resources", "apiGroups", "apiVersions"))
        yield from ((*map(text, call), scope) for call in itertools.product(*fields))


def _words(call: tuple[str, ...]) -> str:
    operation, resource, group, version, scope = call
    where = "" if scope == "Namespaced" else f", scope {scope}"
    return f"{operation} {resource} ({'/'.join(part for part in (group, version) if part)}{where})"


def _namespaces(name: str, entry: Entry, expected: Entry, policy: Policy) -> Iterator[str]:
    found, wanted = (_expressions(one.get("namespaceSelector")) for one in (entry, expected))
    if wanted - found:
        yield f"its namespaceSelector lacks {_some(map(_shown, wanted - found))}"
    added = [one for one in found - wanted if not _is_harmless(name, one, policy)]
    if added:
        causes = dict.fromkeys(cause for one in added if (cause := _platform(one)))
        why = f" ({'; '.join(causes)})" if causes else ""
        yield f"its namespaceSelector also has {_some(map(_shown, added))}{why}"


def _is_harmless(name: str, added: Expression, policy: Policy) -> bool:
    """Say whether a platform's expression excludes only namespaces for which this entry is not called anyway."""
    key, operator, values = added
    if name != BOOTSTRAP_ENTRY:
        is_system = (key, operator) == (NAMESPACE_NAME_LABEL, "NotIn") and all(one.startswith(SYSTEM) for one in values)
        return is_system or key in AKS_KEYS
    # Which namespaces have AKS's label is not known here; kube-system has it.
    return (key, operator) == (NAMESPACE_NAME_LABEL, "NotIn") and values.isdisjoint(policy.bootstrap.namespaces)


def _platform(added: Expression) -> str:
    key, operator, values = added
    if key in AKS_KEYS:
        return AKS
    is_google = (key, operator) == (NAMESPACE_NAME_LABEL, "NotIn") and any(one.startswith("gke-") for one in values)
    return AUTOPILOT if is_google else ""


def _objects(entry: Entry, expected: Entry) -> Iterator[str]:
    found, wanted = (_expressions(one.get("objectSelector")) for one in (entry, expected))
    if wanted - found:
        yield f"its objectSelector lacks {_some(map(_shown, wanted - found))}"
    if found - wanted:
        yield f"its objectSelector also has {_some(map(_shown, found - wanted))}"


def _expressions(selector: object) -> frozenset[Expression]:
    labels = mapping(mapping(selector).get("matchLabels")).items()
    return frozenset(
        [
            *((key, "In", frozenset([text(value)])) for key, value in labels),
            *(
                (
                    text(one.get("key")),
                    text(one.get("operator")),
                    frozenset(map(text, elements(one.get("values")))),
                )
                for one in items(mapping(selector).get("matchExpressions"))
            ),
        ]
    )


def _shown(expression: Expression) -> str:
    key, operator, values = expression
    return f"{key} {operator} {_some(values)}".rstrip()


def _conditions(entry: Entry, expected: Entry) -> Iterator[str]:
    found, wanted = (_texts(one.get("matchConditions")) for one in (entry, expected))
    if wanted.keys() - found.keys():
        yield "its matchConditions are not those of this version and policy (`resources`, `bootstrap.plugins`)"
    elif found.keys() - wanted.keys():
        others = _some(found[one] for one in found.keys() - wanted.keys())
        yield f"its matchConditions have more than those of this version: {others}"


def _texts(conditions: object) -> Mapping[str, str]:
    """Return the names of conditions by their expressions, whatever the white space in them."""
    return {" ".join(text(one.get("expression")).split()): text(one.get("name")) for one in items(conditions)}


def _some(words: Iterable[str]) -> str:
    ordered = sorted(words)
    more = len(ordered) - SHOWN
    return ", ".join(map(_cut, ordered[:SHOWN])) + (f" and {more} more" if more > 0 else "")


def _cut(word: str) -> str:
    return word if len(word) <= SHOWN_LENGTH else f"{word[: SHOWN_LENGTH - 1]}…"
