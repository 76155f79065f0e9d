"""Spoilt clusters, a module for each category of checks; importing all of them fills the table."""

from importlib import import_module
from pathlib import Path

from support.doctor_cases.table import CASES, Case

for _path in sorted(Path(__file__).parent.glob("*.py")):
    if _path.stem != "__init__":
        import_module(f"support.doctor_cases.{_path.stem}")

__all__ = ["CASES", "Case"]
