"""What the benchmark needs of the machine (programs, two cores), and what the machine is."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

DEBIAN_PACKAGES = {"nginx": "nginx-light", "wrk": "wrk", "taskset": "util-linux", "openssl": "openssl"}

# Debian's way to say that a package's service must not be started when it is installed.
POLICY = Path("/usr/sbin/policy-rc.d")


class RequirementError(RuntimeError):
    """The machine lacks something; the message says what, and how to get it."""


def require_programs() -> None:
    """See that every program is there; as root, install from Debian's packages what is missing, and say so.

    Raises RequirementError.
    """
    missing = _missing_packages()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(missing)
        missing = _missing_packages()
    if missing:
        raise RequirementError(f"missing programs; on Debian or Ubuntu: sudo apt-get install {' '.join(missing)}")
    if shutil.which("go") is None:
        raise RequirementError("go is not on PATH: install Go, in the version that tests/bench/peer/go.mod names")


def two_cores() -> tuple[int, int]:
    """Return the core for the server and the core for the load. Raises RequirementError where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise RequirementError("two cores are needed: one for the server, one for the load")
    return cores[0], cores[-1]


def describe_machine() -> Mapping[str, str]:
    """Return what figures depend on: processor, kernel and the versions of what runs."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "go": _output("go", "env", "GOVERSION"),
        "nginx": _output("nginx", "-v").rpartition("/")[2],
        "wrk": _output("wrk", "-v").partition(" [")[0].removeprefix("wrk "),
    }


def processor() -> str:
    """Return what the processor is called."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return models[0].partition(":")[2].strip() if models else platform.machine()


def _output(*command: str) -> str:
    # nginx says its version on stderr, and wrk ends with 1 when it has said its own.
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    ).stdout.strip()


def _missing_packages() -> Sequence[str]:
    return [package for program, package in DEBIAN_PACKAGES.items() if shutil.which(program) is None]


def _install(packages: Sequence[str]) -> None:
    click.echo(f"bench: installing Debian packages with apt-get: {' '.join(packages)}", err=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _services_stay_off():
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", "--quiet", *arguments], env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise RequirementError(f"apt-get {arguments[0]} failed:\n{done.stderr.strip()}")


@contextmanager
def _services_stay_off() -> Iterator[None]:
    """Keep nginx from being started on port 80 of all addresses by its own installation."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
