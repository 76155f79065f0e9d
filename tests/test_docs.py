"""The documents against the code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard, get_args

from pydantic import BaseModel

from webhook.decide.decision import Reason
from webhook.policy import Policy

ROOT = Path(__file__).parents[1]


def first_cells(document: str) -> list[str]:
    """Return the first cell of each row of the document's tables, if it is one code word."""
    lines = (ROOT / document).read_text().splitlines()
    cells = (line.split("|")[1].strip() for line in lines if line.startswith("| `"))
    return [cell.strip("`") for cell in cells]


def test_every_reason_is_explained() -> None:
    """Whoever reads a reason in a log finds it in the table."""
    explained = {cell.partition("/")[2] for cell in first_cells("docs/reasons.md")}
    assert explained == set(Reason)


def policy_rows(model: type[BaseModel] = Policy, prefix: str = "") -> Iterator[str]:
    """Yield a row of the table for each key, and those of the mappings in it."""
    for field in model.model_fields.values():
        key = f"{prefix}{field.alias}"
        inner = [part for part in (field.annotation, *get_args(field.annotation)) if is_model(part)]
        default = "required" if field.is_required() else shown(field.get_default(call_default_factory=True))
        yield f"| `{key}` | {default} | {field.description} |"
        for part in inner:
            yield from policy_rows(part, f"{key}." if part is field.annotation else f"{key}[].")


def is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    """Say whether a key holds keys of its own."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def shown(default: object) -> str:
    """Return a default as the policy file would hold it; a mapping of keys shows them in rows of its own."""
    return "" if isinstance(default, BaseModel) else f"`{json.dumps(default)}`"


def test_the_policy_is_explained_whole(update_golden: bool) -> None:  # noqa: FBT001
    """The table in docs/policy.md is made from the policy's own descriptions."""
    document = ROOT / "docs" / "policy.md"
    head, _, _ = document.read_text().partition("| key |")
    text = head + "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *policy_rows()]) + "\n"
    if update_golden:
        document.write_text(text)
    assert document.read_text() == text
