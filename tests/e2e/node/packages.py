"""Debian's packages that the node needs: installed before its tests where that is possible, named where it is not."""

import os
import subprocess
from pathlib import Path

from e2e.binaries import Report

LIST = Path(__file__).with_name("packages.txt")


class PackagesError(RuntimeError):
    """The node's packages are not there; the message says which, and what to do."""


def wanted_packages(listing: Path = LIST) -> list[str]:
    """Return the packages that a file lists, one a line."""
    return [line for line in listing.read_text().splitlines() if line and not line.startswith("#")]


def provide_packages(report: Report) -> None:
    """Install what the node lacks; raise PackagesError where that fails, or the node could not be run anyway."""
    if os.geteuid() != 0:
        raise PackagesError(
            "the tests of a node need root; without it, add `--ignore tests/e2e/node` to pytest's command"
        )
    install_missing(LIST, report)


def install_missing(listing: Path, report: Report) -> None:
    """Install what is missing of the packages that a file lists; raise PackagesError where that fails."""
    missing = [package for package in wanted_packages(listing) if not _is_installed(package)]
    if missing:
        report(f"installing Debian's packages: {' '.join(missing)}")
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *missing)


def _is_installed(package: str) -> bool:
    query = ("dpkg-query", "--show", "--showformat=${db:Status-Status}", package)
    try:
        return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"
    except OSError as error:
        raise PackagesError(f"a node is made of Debian's packages, and this is no Debian: {error}") from error


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *arguments], capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise PackagesError(f"apt-get {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
