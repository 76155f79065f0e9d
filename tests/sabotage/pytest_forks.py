"""Runs pytest many times in one folder: each run is a fork of a process that has imported what every run needs.

It reads a line of JSON for each run: the arguments of pytest and the file for its output. It answers with an exit code.
No module of the project is imported before the fork: each run reads the files of the folder as they are then.
"""

import importlib
import json
import os
import sys

IMPORTED_BY_MOST_TESTS = (
    "aiohttp.test_utils",
    "click",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.x509",
    "hypothesis.stateful",
    "hypothesis.strategies",
    "jsonpatch",
    "orjson",
    "prometheus_client",
    "pydantic",
    "pytest",
    "pytest_asyncio.plugin",
    "rich.console",
    "structlog",
    "yaml",
)


def main() -> None:
    """Serve until the input ends."""
    for name in IMPORTED_BY_MOST_TESTS:
        importlib.import_module(name)
    for line in sys.stdin.buffer:
        run = json.loads(line)
        child = os.fork()
        if not child:
            _become_pytest(run["arguments"], run["output"])
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become_pytest(arguments: list[str], output: str) -> None:
    import pytest  # noqa: PLC0415 - imported above, once

    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
        os.dup2(os.open(path, flags), number)
    os.dup2(1, 2)
    code = 3  # pytest's own code for an error within itself
    try:
        code = int(pytest.main(arguments))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
