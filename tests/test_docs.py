"""The documents against the code."""

import json
from pathlib import Path

from webhook.decide.decision import Reason
from webhook.policy_text import Key, keys

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


def policy_row(key: Key) -> str:
    """Return the row of the table for a key."""
    default = "required" if key.is_required else "" if key.is_group else f"`{json.dumps(key.default)}`"
    return f"| `{key.name}` | {default} | {key.meaning} |"


def test_the_policy_is_explained_whole(update_golden: bool) -> None:  # noqa: FBT001
    """The table in docs/policy.md is made from the policy's own descriptions."""
    document = ROOT / "docs" / "policy.md"
    head, _, _ = document.read_text().partition("| key |")
    text = head + "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *map(policy_row, keys())]) + "\n"
    if update_golden:
        document.write_text(text)
    assert document.read_text() == text
