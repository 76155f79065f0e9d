"""Helpers that wait return what they waited for: a later read may differ."""

from pathlib import Path

import pytest

from e2e.kubectl import Kubectl
from e2e.node.plugin import Plugin, Release
from e2e.processes import Started

POD = {"metadata": {"name": "nvidia-device-plugin-abcde"}}
# A kubectl whose answers are these files' contents, each once; after them it prints nothing.
SCRIPT = """#!/bin/sh
next=$(ls "$0".answers | head -n 1)
[ -n "$next" ] || exit 0
cat "$0.answers/$next"
rm "$0.answers/$next"
"""


@pytest.fixture
def kubectl(tmp_path: Path) -> Kubectl:
    """Return a kubectl that reads the log of a pod that crashes, starts again, and crashes again."""
    program = tmp_path / "kubectl"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    lives = ("starting\n", "starting\nno driver\nerror starting plugins\n", "starting\n", "no driver\n")
    (tmp_path / "kubectl.answers").mkdir()
    for number, log in enumerate(lives):
        (tmp_path / "kubectl.answers" / str(number)).write_text(log)
    return Kubectl(program, tmp_path / "kubeconfig")


def test_a_log_is_the_one_that_was_waited_for(kubectl: Kubectl) -> None:
    """The container's next life has begun when the log is looked at."""
    plugin = Plugin(kubectl, Release("0.18.2", (), "nvidia-device-plugin"))
    log = plugin.wait_for_log(POD, "no driver", "error starting plugins")
    assert log == "starting\nno driver\nerror starting plugins\n"


def test_a_first_line_is_read_once(tmp_path: Path) -> None:
    """A program's output may grow while its first line is looked at; before the line's end there is none."""
    program = Started("printer", ["true"], tmp_path / "out", tmp_path / "log")
    program.process.wait()
    for printed, line in (("", {}), ('{"pid": 4', {}), ('{"pid": 42}\n{"other": 1}\n', {"pid": 42})):
        program.output.write_text(printed)
        assert program.first_line() == line
