"""Each property is proven: a copy of the code, broken in one place, makes its test fail.

A row of tests/sabotage/*.toml names a file, a text in it and what to write instead, and the test that must notice.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    row
    for path in sorted((ROOT / "tests/sabotage").glob("*.toml"))
    for row in tomllib.loads(path.read_text())["sabotage"]
]
# Rendering a failure with a value of many megabytes takes minutes.
OPTIONS = ("-q", "-x", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile", "sabotage")
# The plugins are imported before pytest could rewrite their own asserts.
IMPORTED_BEFORE = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
NOT_HANDED_ON = ("COV", "PYTEST_", "PYTHONDONTWRITEBYTECODE")


@dataclass(slots=True)
class BrokenCode:
    """A copy of the code in which one file at a time is broken, and the process that runs tests on it."""

    folder: Path
    forks: subprocess.Popen[bytes] | None = None

    @contextmanager
    def broken(self, row: dict[str, str]) -> Iterator[None]:
        """Break a file, and write it back afterwards, with its time."""
        target = self.folder / row["file"]
        content, status = target.read_bytes(), target.stat()
        text = content.decode()
        assert text.count(row["old"]) == 1, "the text to replace must be in the file exactly once"
        try:
            target.write_text(text.replace(row["old"], row["new"]))
            # Bytecode counts by size and time of its source: no row has the time of another, nor of the code as it is.
            os.utime(target, (0, 1 + ROWS.index(row)))
            yield
        finally:
            target.write_bytes(content)
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def run(self, row: dict[str, str], output: Path) -> tuple[int, str]:
        """Return the exit code and the output of the row's test."""
        # A test that waits for what a sabotage prevents fails by its time. The limit ends the process: raised in the
        # event loop, it may reach a task that is not the test's, and the test would wait on.
        limits = (f"--timeout={row['seconds']}", "--timeout-method=thread") if "seconds" in row else ()
        arguments = [*OPTIONS, *IMPORTED_BEFORE, *limits, f"--basetemp={output.with_suffix('.d')}", row["test"]]
        if self.forks is None:
            self.forks = _started(self.folder)
        assert self.forks.stdin
        assert self.forks.stdout
        self.forks.stdin.write(json.dumps({"arguments": arguments, "output": str(output)}).encode() + b"\n")
        self.forks.stdin.flush()
        try:
            return int(self.forks.stdout.readline()), output.read_text()
        except BaseException:  # the time limit of this test, too: its run must not answer a later row
            self.stop()
            raise

    def stop(self) -> None:
        """End the process, and the run that may still go on."""
        if self.forks:
            with self.forks:
                os.killpg(self.forks.pid, signal.SIGKILL)
            self.forks = None


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenCode]:
    """Copy the code once, so that what no row breaks is compiled once."""
    folder = tmp_path_factory.mktemp("code")
    for name in ("webhook", "certs", "tests", "deploy"):
        ignore = shutil.ignore_patterns("__pycache__", "e2e", "bench")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    code = BrokenCode(folder)
    yield code
    code.stop()


def _started(folder: Path) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(NOT_HANDED_ON)}
    # The order of sets is the same every time, as the search is.
    environment |= {"PYTHONPATH": str(folder), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-P", str(ROOT / "tests/sabotage/pytest_forks.py")]
    return subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_sabotage_is_noticed(row: dict[str, str], code: BrokenCode, tmp_path: Path) -> None:
    """The named test passes on the code as it is (`make test` shows that) and fails on the broken one."""
    with code.broken(row):
        exit_code, output = code.run(row, tmp_path / "output")
    noticed = r"\d+ failed|\+ Timeout \+" if "seconds" in row else r"\d+ failed"
    assert (exit_code, bool(re.search(noticed, output))) == (1, True), output
