"""``policy``: check a policy file as the server would, show every key with its meaning, print the schema."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.input_files import InputError, file_text, read_policy, stdin_text
from webhook.commands.shared.json_output import JSON_VERSION
from webhook.policy.describe import PolicyKey, keys
from webhook.policy.load import PolicyError, parse_policy
from webhook.policy.model import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def check(file: Path, *, as_json: bool) -> ExitCode:
    """Print whether a policy is valid; each fault names file, line, key and the allowed values."""
    text, source = (stdin_text(), "stdin") if str(file) == "-" else (file_text(file), str(file))
    if source == "stdin" and not text.strip():
        # A pipe whose first part failed is empty; an empty file is a policy with every default.
        raise InputError("stdin is empty")
    try:
        policy = parse_policy(text, source)
    except PolicyError as error:
        if not as_json:
            click.echo(str(error))
            return ExitCode.CHANGES
        faults = [asdict(fault) for fault in error.faults] or [{"problem": str(error)}]
        click.echo(json.dumps({"version": JSON_VERSION, "file": source, "valid": False, "faults": faults}, indent=2))
        return ExitCode.CHANGES
    changed = [key.name for key in _settable() if _value(policy, key) != key.default]
    if as_json:
        click.echo(json.dumps({"version": JSON_VERSION, "file": source, "valid": True, "sets": changed}, indent=2))
        return ExitCode.DONE
    said = f"it sets {', '.join(changed)}" if changed else "every key has its default"
    click.echo(f"{source}: valid; {said}")
    return ExitCode.DONE


def show(file: Path | None) -> None:
    """Print the policy as a file with every key and its meaning."""
    policy = read_policy(file)
    click.echo("\n".join(_lines(policy)))


def schema() -> None:
    """Print the JSON Schema of the policy file, for editors."""
    click.echo(json.dumps({"$schema": DIALECT, **Policy.model_json_schema(by_alias=True)}, indent=2))


def _lines(policy: Policy) -> Iterator[str]:
    for key in keys():
        depth = "  " * key.name.count(".")
        if "[]" in key.name:
            # The keys of a list's items: there may be no item to show them in.
            yield f"{depth}# {key.name.rpartition('.')[2]}: {key.meaning}{' Required.' if key.is_required else ''}"
            continue
        yield f"{depth}# {key.meaning}"
        name = key.name.rpartition(".")[2]
        if key.is_group:
            yield f"{depth}{name}:"
            continue
        value = _value(policy, key)
        default = "" if value == key.default else f"   # default: {json.dumps(key.default)}"
        yield f"{depth}{name}: {json.dumps(value, ensure_ascii=False)}{default}"


def _settable() -> Iterator[PolicyKey]:
    return (key for key in keys() if not key.is_group and "[]" not in key.name)


def _value(policy: Policy, key: PolicyKey) -> Any:  # noqa: ANN401  any JSON
    value: Any = policy.model_dump(mode="json", by_alias=True)
    for part in key.name.split("."):
        value = value[part] if isinstance(value, Mapping) else None
    return value
