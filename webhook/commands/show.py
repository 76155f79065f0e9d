"""How commands show things to people: a patch as a coloured diff of YAML."""

import difflib
from typing import Any

import yaml
from rich.text import Text

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def diff_of(before: dict[str, Any], after: dict[str, Any]) -> Text:
    """Return the unified diff of two objects as YAML, empty where they are alike."""
    lines = list(difflib.unified_diff(_lines(before), _lines(after), n=2, lineterm=""))
    text = Text()
    for line in lines[2:]:
        text.append(f"  {line}\n", style=COLOURS.get(line[0], "dim"))
    return text


def _lines(item: dict[str, Any]) -> list[str]:
    return yaml.safe_dump(item, sort_keys=False, allow_unicode=True, width=1000).splitlines()
