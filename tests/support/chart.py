"""The Helm chart for its tests, and its generated parts: the policy's values and the schema."""

import hashlib
import json
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from webhook.policy.model import Policy

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "chart"
DESCRIPTION = CHART / "Chart.yaml"
VALUES = CHART / "values.yaml"
SCHEMA = CHART / "values.schema.json"
MANIFEST = DEPLOY / "install.yaml"
TABLE = DEPLOY.parent / "docs" / "values.md"
LINE_LENGTH = 120

POLICY_COMMENT = """\
# The policy: docs/policy.md. The rest of this file is generated.
"""

# The type of a value, by its default.
TYPES = {bool: "boolean", int: "integer", str: "string", list: "array"}
CHOICES = {"image.pullPolicy": ["Always", "IfNotPresent", "Never"]}
# Values of which the type alone says too little.
SPECIAL: dict[str, dict[str, Any]] = {
    "replicas": {"type": "integer", "minimum": 1},
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "imagePullSecrets": {
        "type": "array",
        "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    },
    "podDisruptionBudget.maxUnavailable": {"type": ["integer", "string"]},
    "podDisruptionBudget.minAvailable": {"type": ["integer", "string"]},
}
# Keys of other charts. Helm prints the text in place of the value that it expects.
OTHER_KEYS = {
    "replicaCount": "the key is replicas",
    "fullnameOverride": "there is no such key: the names of objects are fixed",
    "nameOverride": "there is no such key: the names of objects are fixed",
    "namespaceOverride": "there is no such key: use helm --namespace",
    "pdb": "the key is podDisruptionBudget",
    "failurePolicy": "there is no such key: it is always Ignore",
    "namespaceSelector": "there is no such key: label namespaces, or use policy.optOut",
    "objectSelector": "there is no such key: label pods gpu-injector.io/inject=disabled",
    "securityContext": "there is no such key: the chart sets what PodSecurity restricted requires",
    "podSecurityContext": "there is no such key: the chart sets what PodSecurity restricted requires",
    "service": "there is no such key: use ports",
    "port": "the key is ports.webhook",
    "metrics": "the keys are podMonitor, serviceMonitor and prometheusRule",
    "monitoring": "the keys are podMonitor, serviceMonitor and prometheusRule",
    "prometheus": "the keys are podMonitor, serviceMonitor and prometheusRule",
    "cert-manager": "the key is certManager",
    "certmanager": "the key is certManager",
    "rbac": "there is no such key: docs/rbac.md lists each right and its switch",
    "config": "the key is policy",
    "extraArgs": "there is no such key: use policy",
    "env": "there is no such key: use policy",
    "labels": "the keys are commonLabels and podLabels",
    "annotations": "the keys are podAnnotations, webhookAnnotations and serviceAccount.annotations",
    "imageRegistry": "the key is image.registry",
    "priorityClass": "the key is priorityClassName",
    "runtimeClassName": "the key is policy.runtimeClass",
    "dryRun": "the key is policy.dryRun",
    "topologySpreadConstraints": "there is no such key: replicas are spread over nodes and zones",
}


def chart_digest() -> str:
    """Return a digest of all files of the chart, which the rendered manifest contains."""
    digest = hashlib.sha256()
    for path in sorted(path for path in CHART.rglob("*") if path.is_file()):
        name = str(path.relative_to(CHART)).encode()
        digest.update(hashlib.sha256(name).digest() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def chart_of_the_version() -> str:
    """Return Chart.yaml with the version of pyproject.toml, the only place that people edit."""
    version = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["version"]
    text = re.sub(r"^(version|appVersion): .*$", rf"\g<1>: {version}", DESCRIPTION.read_text(), flags=re.MULTILINE)
    return re.sub(r"image: gpu-injector:\S+$", f"image: gpu-injector:{version}", text, flags=re.MULTILINE)


def values_of_the_chart() -> str:
    """Return values.yaml with a new policy part."""
    head, _, _ = VALUES.read_text().partition(POLICY_COMMENT)
    return head + POLICY_COMMENT + "\n".join(["policy:", *_policy_lines(Policy, "  ")]) + "\n"


def _policy_lines(model: type[BaseModel], indent: str) -> Iterator[str]:
    for field in model.model_fields.values():
        prefix = f"{indent}# "
        yield from textwrap.wrap(field.description or "", LINE_LENGTH, initial_indent=prefix, subsequent_indent=prefix)
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            yield f"{indent}{field.alias}:"
            yield from _policy_lines(type(default), f"{indent}  ")
        else:
            yield f"{indent}{field.alias}: {json.dumps(default)}"


def schema_of_the_chart() -> str:
    """Return values.schema.json: the chart's own part from the defaults, the policy's from the policy."""
    values = yaml.safe_load(values_of_the_chart())
    policy = Policy.model_json_schema()
    definitions = policy.pop("$defs")
    own = {key: value for key, value in values.items() if key != "policy"}
    schema = _schema(own, "")
    # Helm adds it for charts that depend on this one.
    schema["properties"] |= {"policy": policy, "global": {"type": "object"}}
    schema["properties"] |= {key: {"const": text} for key, text in OTHER_KEYS.items()}
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart gpu-injector"}
    return json.dumps({**head, **schema, "$defs": definitions}, indent=2) + "\n"


def _schema(value: Any, path: str) -> dict[str, Any]:  # noqa: ANN401  a value of a YAML file
    if path in SPECIAL:
        return SPECIAL[path]
    if path in CHOICES:
        return {"enum": CHOICES[path]}
    if not isinstance(value, dict):
        return {"type": TYPES[type(value)]}
    # The API server checks empty values and Kubernetes' own types.
    if not value or path in ("resources", "dashboard.labels"):
        return {"type": "object"}
    properties = {key: _schema(inner, f"{path}.{key}".lstrip(".")) for key, inner in value.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def values_table() -> str:
    """Return docs/values.md: each value of the chart, its default, and its comment in values.yaml."""
    rows = [f"| `{path}` | `{json.dumps(default)}` | {text} |" for path, default, text in _documented_values()]
    return "\n".join([VALUES_HEAD, *rows, ""])


VALUES_HEAD = """\
# Values of the chart

Generated from `deploy/chart/values.yaml` by `make manifest`. The part `policy` is explained in [policy.md](policy.md).
Helm refuses unknown keys, and names ours where the key is one of another chart.

| value | default | meaning |
| --- | --- | --- |"""


def _documented_values() -> Iterator[tuple[str, object, str]]:
    """Yield path, default and comment of each value; a comment of an object stands at its first value."""
    head = VALUES.read_text().partition(POLICY_COMMENT)[0]
    values = yaml.safe_load(head)
    parents: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in head.splitlines()[2:]:
        indent, text = len(line) - len(line.lstrip()), line.strip()
        key, colon, _ = text.partition(":")
        if text.startswith("#"):
            comment.append(text.removeprefix("#").strip())
        elif not colon or not key.replace("-", "").isalnum():
            continue
        else:
            parents = [parent for parent in parents if parent[0] < indent]
            path = [*(name for _, name in parents), key]
            default = _at(values, path)
            parents.append((indent, key))
            if not isinstance(default, dict) or not default or _is_one_line(text):
                yield ".".join(path), default, " ".join(comment).replace("|", "\\|")
                comment = []


def _is_one_line(text: str) -> bool:
    return text.endswith("}")


def _at(values: Any, path: list[str]) -> object:  # noqa: ANN401  values of a YAML file
    for key in path:
        values = values[key] if isinstance(values, dict) and key in values else None
    return values
