"""Output for users: a table, a patch as a coloured diff of YAML, and the rules of a decision."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from rich.text import Text

from webhook.commands.yaml_edit.layout import Layout
from webhook.commands.yaml_edit.render import block_lines
from webhook.decide.explain import Step

COLUMN_GAP = 3
LAYOUT = Layout()
# Readable on white and on black, unlike yellow and cyan. With 16 colours, rich takes the nearest one.
ATTENTION, ASIDE = "dark_orange3", "dark_cyan"
COLOURS = {"+": "green", "-": "red", "@": ASIDE}


def diff_of(before: dict[str, Any], after: dict[str, Any]) -> Text:
    """Return the unified diff of two objects as YAML; empty if they are equal."""
    lines = list(difflib.unified_diff(_lines(before), _lines(after), n=2, lineterm=""))
    text = Text()
    for line in lines[2:]:
        text.append(f"  {line}\n", style=COLOURS.get(line[0], "dim"))
    return text


def columns(rows: Sequence[Sequence[Text]]) -> Text:
    """Return rows as aligned columns, one line each however wide, as kubectl prints tables."""
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    text = Text()
    for row in rows:
        for cell, width in zip(row[:-1], widths, strict=False):
            text.append_text(cell).append(" " * (width - cell.cell_len + COLUMN_GAP))
        text.append_text(row[-1]).append("\n")
    return text


def steps_of(steps: Iterable[Step]) -> Text:
    """Return the rules that were tried, each with its evidence; the last one decided."""
    tried = [step for step in steps if step.tried]
    width = max((len(step.name) for step in tried), default=0)
    text = Text()
    for step in tried:
        style = "bold" if step.result else "dim"
        for index, line in enumerate(dict.fromkeys(step.evidence) or ("",)):
            head = f"  {'→' if step.result else '·'} {step.name:{width}}" if index == 0 else " " * (width + 4)
            text.append(f"{head}  {line}".rstrip() + "\n", style)
    return text


def _lines(item: dict[str, Any]) -> list[str]:
    return list(block_lines(item, -LAYOUT.mapping, LAYOUT))
