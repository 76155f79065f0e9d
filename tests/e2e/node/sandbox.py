"""A machine within the machine: namespaces with a root filesystem, processes and a network of their own.

The node runs in there. It sees the machine's files, and what it changes is its own. The kernel takes everything away
with the sandbox's first process, which dies with the tests, however these end. Needs root.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.processes import STOP_SECONDS, Started, started

SCRIPT = Path(__file__).with_name("sandbox.sh")
BINARIES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Reserved for tests of networks (RFC 2544), so not in use elsewhere. Each sandbox that runs has a /24.
NETWORKS = "198.18"


class SandboxError(RuntimeError):
    """The sandbox could not be made, or a program in it failed; the message says why."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox. Both ends of its link to the machine have an address; pods get theirs from ``pod_subnet``."""

    pid: int
    network: int
    logs: Path

    @property
    def root(self) -> Path:
        """Return its root folder, as seen from outside."""
        return Path(f"/proc/{self.pid}/root")

    @property
    def machine_address(self) -> str:
        """Return the machine's address, seen from the sandbox."""
        return f"{NETWORKS}.{self.network}.1"

    @property
    def address(self) -> str:
        """Return the sandbox's address."""
        return f"{NETWORKS}.{self.network}.2"

    @property
    def pod_subnet(self) -> str:
        """Return the addresses that are left for pods."""
        return f"{NETWORKS}.{self.network}.128/25"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the programs in there."""
        return {"PATH": BINARIES}

    def command(self, *command: object) -> list[str]:
        """Return the command that runs another one in the sandbox."""
        enter = ("nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--")
        # nsenter's child is the program: the kernel ends it when nsenter ends.
        return [*enter, "setpriv", "--pdeathsig", "TERM", "--", *map(str, command)]

    def run(self, *command: object) -> str:
        """Run a program in the sandbox and return what it prints; raise SandboxError if it fails."""
        return _run(self.command(*command))


@contextmanager
def sandbox(folder: Path, logs: Path, *, shared: Sequence[Path]) -> Iterator[Sandbox]:
    """Run a sandbox until the context ends. It shares some folders with the machine, at the same paths."""
    work = folder / "sandbox"
    work.mkdir()
    # unshare dies with the tests, the first process in the namespaces with unshare, all others with the first.
    namespaces = ("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child=SIGKILL", "--")
    command = [*namespaces, "/bin/sh", SCRIPT, work, *shared]
    with started("sandbox", command, logs, environment={"PATH": BINARIES}) as first:
        pid = first.wait_until(first.first_line, "is made")["pid"]
        try:
            yield _connected(pid, logs)
        finally:
            # The first process ignores other signals. The kernel ends all other processes in there before it.
            os.kill(pid, signal.SIGKILL)


@contextmanager
def stopped(process: Started) -> Iterator[None]:
    """Stop a program of the sandbox until the context ends; then it is started again."""
    # The process is nsenter, which ends when its child ends.
    pid = process.process.pid
    child = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    os.kill(int(child), signal.SIGTERM)
    process.process.wait(STOP_SECONDS)
    try:
        yield
    finally:
        process.start()


def _connected(pid: int, logs: Path) -> Sandbox:
    """Connect a sandbox's network with the machine's, by a link that ends with either."""
    for number in range(256):
        names = ("name", f"gpu-injector{number}", "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        # The name is also a lock: the next sandbox takes another number.
        if subprocess.run(["ip", "link", "add", *names], capture_output=True, check=False).returncode == 0:
            inside = Sandbox(pid, number, logs)
            _give_addresses(inside, f"gpu-injector{number}")
            return inside
    raise SandboxError("no link could be made to the sandbox's network: is this root, and are old ones in the way?")


def _give_addresses(inside: Sandbox, link: str) -> None:
    _run(["ip", "address", "add", f"{inside.machine_address}/30", "dev", link])
    _run(["ip", "link", "set", link, "up"])
    _run(["ip", "route", "add", inside.pod_subnet, "via", inside.address])
    inside.run("ip", "address", "add", f"{inside.address}/30", "dev", "eth0")
    inside.run("ip", "link", "set", "eth0", "up")
    inside.run("ip", "route", "add", "default", "via", inside.machine_address)


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": BINARIES})
    if done.returncode != 0:
        raise SandboxError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
