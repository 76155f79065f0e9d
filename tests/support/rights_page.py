"""The rights of the manifests with what deploy/chart/files/rights.yaml says of each, as the table of docs/rbac.md."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from support.chart import CHART, DEPLOY

TEXTS = CHART / "files" / "rights.yaml"
MANIFESTS = (DEPLOY / "install.yaml", DEPLOY / "repair-evict.yaml")
HEADINGS = (
    "role",
    "group",
    "resources",
    "names",
    "verbs",
    "for",
    "why",
    "switched off by",
    "worth to a thief of the token",
)
FIELDS = {"role", "resources", "names", "feature", "why", "worth", "without", "with", "group", "verbs"}

Rule = Mapping[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """What finds the text of a rule: the role, the resources and the names (none: any)."""

    role: str
    resources: frozenset[str]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class RightText:
    """What is said of a rule; ``off`` are values of the chart that remove it, ``on`` those that add it.

    ``rule`` is the rule itself if no manifest contains it.
    """

    key: Key
    feature: str
    why: str
    worth: str
    off: Values | None
    on: Values | None
    rule: Rule | None


def texts() -> list[RightText]:
    """Return the texts in their order; a field that is not known is a mistake."""
    found = yaml.safe_load(TEXTS.read_text())
    assert {field for one in found for field in one} <= FIELDS
    return [
        RightText(
            Key(one["role"], frozenset(one["resources"]), frozenset(one.get("names", ()))),
            one["feature"],
            one["why"],
            one["worth"],
            one.get("without"),
            one.get("with"),
            _own_rule(one) if "verbs" in one else None,
        )
        for one in found
    ]


def _own_rule(text: Mapping[str, Any]) -> Rule:
    names = {"resourceNames": text["names"]} if "names" in text else {}
    return {"apiGroups": [text["group"]], "resources": text["resources"], **names, "verbs": text["verbs"]}


def rules(objects: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Key, Mapping[str, Any], Rule]]:
    """Yield the rules of roles, each with its role, once for each role's name."""
    seen = set()
    for role in (one for one in objects if one["kind"] in ("Role", "ClusterRole")):
        for rule in role["rules"]:
            names = frozenset(rule.get("resourceNames", ()))
            key = Key(role["metadata"]["name"], frozenset(rule["resources"]), names)
            if key not in seen:
                seen.add(key)
                yield key, role, rule


def manifests() -> list[Mapping[str, Any]]:
    """Return the objects of the committed manifests."""
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text()) if one]


def table() -> str:
    """Return the table: a row for each rule of the manifests, in the order of the texts."""
    granted = {key: (role["kind"], rule) for key, role, rule in rules(manifests())}
    rows = (_row(text, *(("Role", text.rule) if text.rule else granted[text.key])) for text in texts())
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(text: RightText, kind: str, rule: Rule) -> list[str]:
    always = "always needed" if text.on is None else f"off by default; on with {_values(text.on)}"
    return [
        f"{kind} `{text.key.role}`",
        ", ".join(f"`{group}`" if group else "core" for group in rule["apiGroups"]),
        _codes(rule["resources"]),
        _codes(rule.get("resourceNames", ())) or "any",
        _codes(rule["verbs"]),
        text.feature,
        text.why,
        always if text.off is None else _values(text.off),
        text.worth,
    ]


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _values(values: Values) -> str:
    return " and ".join(f"`{path}: {_plain(value)}`" for path, value in _leaves(values, ""))


def _leaves(values: Values, prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
