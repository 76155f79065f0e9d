"""Colours and progress are for people at a terminal: a real one (a pty), against a pipe and NO_COLOR."""

import asyncio
import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.cluster_world import namespace, runtime_class
from support.fake_api import FakeApi
from support.golden_cases import GOLDEN

from webhook.commands.shared.terminal import Terminal

# A colour of the foreground or background; bold and dim are none.
COLOUR = re.compile(r"\x1b\[[\d;]*\b(?:[34]\d|9[0-7])(?:;|m)")
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: ml}
spec: {containers: [{name: c, resources: {limits: {nvidia.com/gpu: 1}}}]}
"""
FILE = ("preview", "--view", str(GOLDEN / "view.yaml"))


def at_terminal(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run a command whose output and standard error are a terminal; return what is on it."""
    own, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "webhook", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=_environment() | (environment or {}),
    ):
        os.close(theirs)
        return _read(own)


def piped(*arguments: str) -> tuple[str, str]:
    """Run a command whose output and standard error are pipes; return them."""
    done = subprocess.run(
        [sys.executable, "-m", "webhook", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    return done.stdout, done.stderr


def _environment() -> dict[str, str]:
    ours = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "TERM": "xterm-256color", "COLUMNS": "100"}


def _read(terminal: int) -> str:
    with os.fdopen(terminal, "rb") as stream:
        said = b""
        # A terminal whose last program has gone is an error to read.
        with suppress(OSError):
            while part := os.read(stream.fileno(), 2**16):
                said += part
    return said.decode()


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    """Return the file of a GPU pod."""
    path = tmp_path / "pod.yaml"
    path.write_text(POD)
    return str(path)


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[str]:
    """Serve a cluster with one GPU pod, and return how it is reached."""
    async with FakeApi() as fake:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "ml"},
            "spec": {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
        }
        fake.put(runtime_class(), namespace("ml", **{"gpu-injector.io/inject": "enabled"}), pod)
        yield fake.kubeconfig(tmp_path)


@pytest.mark.parametrize("output", ["diff", "table"])
def test_a_terminal_gets_colours(manifest: str, output: str) -> None:
    """The decision and the lines of the diff."""
    said = at_terminal(*FILE, "-f", manifest, "-o", output)
    assert "inject/runtime-class" in said
    assert COLOUR.search(said)


def test_no_color_is_honoured(manifest: str) -> None:
    """https://no-color.org: set and not empty."""
    said = at_terminal(*FILE, "-f", manifest, environment={"NO_COLOR": "1"})
    assert "inject/runtime-class" in said
    assert not COLOUR.search(said)


def test_a_pipe_gets_plain_text(manifest: str) -> None:
    """No escape at all, whatever the terminal can."""
    said, errors = piped(*FILE, "-f", manifest)
    assert "inject/runtime-class" in said
    assert "\x1b" not in said + errors


@pytest.mark.parametrize("output", ["table", "diff", "yaml", "json"])
def test_a_name_does_not_control_the_terminal(tmp_path: Path, output: str) -> None:
    """It could rename the window, erase lines, or write into the clipboard; a colour and a pipe are harmless."""
    path = tmp_path / "pod.yaml"
    path.write_text(POD.replace("name: p,", r'name: "p\e]0;title\a\e[2J\e]52;c;bHM=\a\x9b1A",'))
    shown = at_terminal(*FILE, "-f", str(path), "-o", output)
    assert "title" in shown
    assert not re.search(r"\x1b(\]|\[2J)|[\x07\x9b]", shown)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m\n", "\x1b[1;31mred\x1b[0m\n"),
        ("\x1b[2J\x1b[31", "?[2J?[31"),
        ("\x1b]0;title\x07\x1bc\x9b2J\x7f\x00", "?]0;title??c?2J??"),
        ("hidden\rshown\r\ntab\t|", "hidden?shown\r\ntab\t|"),
        ("größer 鼠 \U0001f512", "größer 鼠 \U0001f512"),
    ],
)
def test_what_a_terminal_would_obey_is_replaced(written: str, shown: str) -> None:
    """Colours, tabs and ends of lines are left, and every letter."""
    buffer = io.BytesIO()
    terminal = Terminal(buffer, encoding="utf-8", newline="")
    terminal.write(written)
    terminal.flush()
    assert buffer.getvalue().decode() == shown


async def test_progress_is_shown_at_a_terminal_alone(kubeconfig: str) -> None:
    """A bar for each kind that is listed, and nothing of it where the output goes on."""
    arguments = ("preview", "-A", "--kubeconfig", kubeconfig)
    said = await asyncio.to_thread(at_terminal, *arguments)
    assert "deployments" in said
    assert "━" in said
    output, errors = await asyncio.to_thread(piped, *arguments)
    assert "inject/runtime-class" in output
    assert [word for word in ("deployments", "━", "\x1b") if word in output + errors] == []
