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
LINE_LENGTH = 120

POLICY_COMMENT = """\
# The policy: docs/policy.md. The rest of this file is generated.
"""

# The type of a value, by its default.
TYPES = {bool: "boolean", int: "integer", str: "string", list: "array"}
CHOICES = {"image.pullPolicy": ["Always", "IfNotPresent", "Never"]}


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
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart gpu-injector"}
    return json.dumps({**head, **schema, "$defs": definitions}, indent=2) + "\n"


def _schema(value: Any, path: str) -> dict[str, Any]:  # noqa: ANN401  a value of a YAML file
    if path in CHOICES:
        return {"enum": CHOICES[path]}
    if not isinstance(value, dict):
        return {"type": TYPES[type(value)]}
    # The API server checks empty values and Kubernetes' own types.
    if not value or path in ("resources", "dashboard.labels"):
        return {"type": "object"}
    properties = {key: _schema(inner, f"{path}.{key}".lstrip(".")) for key, inner in value.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}
