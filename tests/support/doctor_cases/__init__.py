"""Spoilt clusters, a module for each category of checks; importing all of them fills the table."""

import re
from importlib import import_module
from pathlib import Path

from support.doctor_cases.table import CASES, Case

for _path in sorted(Path(__file__).parent.glob("*.py")):
    if _path.stem != "__init__":
        import_module(f"support.doctor_cases.{_path.stem}")

# The manifest of the checkout, read by kubectl itself: its image names no registry, and would be used as it is.
MANIFEST_AS_IT_IS = re.compile(r"(?:-f|-k|--filename|--kustomize)[ =]\S*deploy\b")

__all__ = ["CASES", "MANIFEST_AS_IT_IS", "Case"]
