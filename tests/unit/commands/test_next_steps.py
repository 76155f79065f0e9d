"""The next steps that `make run` prints: every command works as printed, in a new shell and in another folder."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.doctor_world import healthy, served

from webhook.commands.demo.next_steps import next_steps, program_as_typed

PROGRAM = Path(sys.executable).with_name("gpu-injector")
# As kubectl diff: 1 is a difference, more is trouble.
TROUBLE = 2
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}


def printed_commands(said: str) -> list[str]:
    """Return the commands among the next steps."""
    _, _, steps = said.partition("What to try next")
    return [line.strip() for line in steps.splitlines() if line.startswith("    ")]


async def shell(command: str, folder: Path, **environment: str) -> tuple[int, str, str]:
    """Run a command in a new shell; return its exit code and what it printed."""
    whole = {**ENVIRONMENT, "HOME": str(folder), **environment}
    started = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, env=whole, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, errors = await started.communicate()
    assert started.returncode is not None
    return started.returncode, out.decode(), errors.decode()


async def test_every_printed_command_works_in_a_new_shell(tmp_path: Path) -> None:
    """As `make run` starts it: the program is not on PATH. The cluster is a fake API server."""
    code, said, errors = await shell(f"{PROGRAM} demo", tmp_path)
    assert code == 0, errors
    commands = printed_commands(said)
    assert [" ".join(command.split()[1:2]) for command in commands] == ["demo", "preview", "view", "preview"]
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    async with served(healthy()) as fake:
        for command in commands:
            code, said, errors = await shell(command, folder, KUBECONFIG=str(fake.kubeconfig(tmp_path)))
            assert code < TROUBLE, f"{command}: {errors}"
            assert "preview" not in command or said.startswith("Pod ml/"), f"{command} shows no decision: {errors}"


@pytest.mark.parametrize(
    ("started", "environment", "expected"),
    [
        ("bin/gpu-injector", {"PATH": "/nowhere"}, "{folder}/bin/gpu-injector"),
        ("bin/gpu-injector", {"PATH": "{folder}/bin"}, "gpu-injector"),
        ("bin/gpu-injector", {"PATH": "{folder}/bin", "VIRTUAL_ENV": "{folder}"}, "{folder}/bin/gpu-injector"),
        ("bin/__main__.py", {"PATH": "{folder}/bin"}, f"{sys.executable} -m webhook"),
    ],
)
def test_the_name_alone_is_printed_only_if_a_new_shell_finds_it(
    started: str, environment: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed by pipx it is on PATH; of an activated environment only in this shell."""
    program = tmp_path / "bin" / "gpu-injector"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(folder=tmp_path))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / started)])
    assert program_as_typed() == expected.format(folder=tmp_path)


def test_paths_with_spaces_are_quoted() -> None:
    """A shell reads each as one word."""
    text = next_steps(Path("/my pods"), "gpu-injector", Path("/my pods/pods/a.yaml"))
    assert "gpu-injector preview -f '/my pods/pods/a.yaml' --view '/my pods/view.yaml'" in text
