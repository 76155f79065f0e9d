"""Each property is proven: a copy of the code, broken in one place, makes its test fail.

A row of tests/sabotage/*.toml names a file, a text in it and what to write instead, and the test that must notice.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    row
    for path in sorted((ROOT / "tests/sabotage").glob("*.toml"))
    for row in tomllib.loads(path.read_text())["sabotage"]
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_sabotage_is_noticed(row: dict[str, str], tmp_path: Path) -> None:
    """The named test passes on the code as it is (`make test` shows that) and fails on the broken one."""
    for name in ("webhook", "certs", "tests", "deploy"):
        ignore = shutil.ignore_patterns("__pycache__", "e2e", "bench")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    target = tmp_path / row["file"]
    text = target.read_text()
    assert text.count(row["old"]) == 1, "the text to replace must stand in the file once"
    target.write_text(text.replace(row["old"], row["new"]))
    run = _pytest(tmp_path, row["test"])
    assert (run.returncode, bool(re.search(r"\d+ failed", run.stdout))) == (1, True), run.stdout + run.stderr


def _pytest(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        # Rendering a failure with a value of many megabytes takes minutes.
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "--hypothesis-profile",
        "sabotage",
        test,
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    # The order of sets is the same every time, as the search is.
    environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
