"""The documents against the code."""

from pathlib import Path

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


def test_every_policy_key_is_explained() -> None:
    """The README's table is the policy's."""
    keys = {str(field.alias) for field in Policy.model_fields.values()}
    assert keys <= set(first_cells("README.md"))
