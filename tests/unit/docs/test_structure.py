"""The structure of the code: unique names, short files and functions, plain words, helpers in one place."""

import ast
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = sorted([*ROOT.glob("webhook/**/*.py"), *ROOT.glob("certs/**/*.py")])
# What each package may have one of: the name says what it is within its package.
REPEATED_MODULES = {"__init__", "__main__", "cli", "render", "plan", "run", "context", "rules", "decide", "patches"}
REPEATED_CLASSES = {"Options"}
LONGEST_FILE = 250
LONGEST_FUNCTION = 40
AVOIDED = re.compile(
    r"\b(whoever|anybody|somebody|nobody|amiss|made anew|made again|(is|are|was) told)\b", re.IGNORECASE
)
# Text that quotes others: messages of NVIDIA's components, and this list.
QUOTING = {Path(__file__).relative_to(ROOT).as_posix()}
TEXTS = (
    "webhook/**/*",
    "certs/**/*",
    "deploy/**/*",
    "Makefile",
    "pyproject.toml",
    ".ci/run",
    "tests/**/*.py",
    "*.md",
    "docs/**/*.md",
    ".github/**/*",
)
# Of a golden case. What was decided, and for which request, is its own.
SHARED_FILES = ("pod.yaml", "view.yaml", "policy.yaml")
NO_HELPERS = ("unit", "property")


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_module_name_occurs_twice() -> None:
    """A file's name identifies it."""
    places = defaultdict(list)
    for path in SOURCES:
        if path.stem not in REPEATED_MODULES:
            places[path.stem].append(path.relative_to(ROOT).as_posix())
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_no_public_class_name_occurs_twice() -> None:
    """A class's name identifies it."""
    places = defaultdict(list)
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in REPEATED_CLASSES:
                places[node.name].append(path.relative_to(ROOT).as_posix())
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_and_functions_are_short(path: Path) -> None:
    """A file is read in one sitting, a function does one thing."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in _functions(path)}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_words_that_a_reader_stumbles_over_are_not_used() -> None:
    """Plain English: the words are named in AVOIDED."""
    found = []
    for pattern in TEXTS:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            if not path.is_file() or name in QUOTING or path.suffix in (".pyc", ".json", ".svg"):
                continue
            lines = path.read_text(encoding="utf-8").splitlines()
            found += [
                f"{name}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if AVOIDED.search(line)
            ]
    assert found == []


def test_helpers_of_tests_are_in_one_folder() -> None:
    """Beside the tests there are only tests; what they share is in tests/support."""
    folders = [ROOT / "tests" / name for name in NO_HELPERS]
    assert [path.name for folder in folders for path in folder.rglob("*.py") if not path.name.startswith("test_")] == []


def test_no_golden_pod_or_view_exists_twice() -> None:
    """Cases share a pod or a view by its name instead of copying it."""
    places = defaultdict(list)
    for path in sorted((ROOT / "tests" / "data" / "golden").rglob("*.yaml")):
        if path.name in SHARED_FILES:
            places[hashlib.sha256(path.read_bytes()).hexdigest()].append(path.relative_to(ROOT).as_posix())
    assert [paths for paths in places.values() if len(paths) > 1] == []
