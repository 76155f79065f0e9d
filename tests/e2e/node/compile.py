"""The small C programs of the tests, compiled when they run: the stand-in driver and what the images hold."""

import shutil
import subprocess
from pathlib import Path

WARNINGS = ("-Wall", "-Wextra", "-Werror")


class CompileError(RuntimeError):
    """A C program could not be compiled; the message has the compiler's."""


def executable(source: Path, output: Path) -> Path:
    """Compile a program that needs no library file to start."""
    return _compile(source, output, "-static")


def loading_executable(source: Path, output: Path) -> Path:
    """Compile a program that loads libraries while it runs; it needs the C library's files."""
    return _compile(source, output)


def library(source: Path, output: Path, *, soname: str, driver_version: str) -> Path:
    """Compile a shared library of one version of the driver."""
    define = f'-DDRIVER_VERSION="{driver_version}"'
    return _compile(source, output, "-shared", "-fPIC", define, f"-Wl,-soname,{soname}")


def triplet() -> str:
    """Return the name of Debian's library folder for this machine, such as ``x86_64-linux-gnu``."""
    return _run(_compiler(), "-print-multiarch").strip()


def needed_files(program: Path) -> list[Path]:
    """Return the shared libraries that a program needs to start, its loader among them."""
    words = _run("ldd", str(program)).split()
    return [Path(word) for word in words if word.startswith("/")]


def _compile(source: Path, output: Path, *flags: str) -> Path:
    output.parent.mkdir(parents=True, exist_ok=True)
    _run(_compiler(), "-std=gnu17", "-O1", *WARNINGS, *flags, "-o", str(output), str(source))
    return output


def _compiler() -> str:
    found = shutil.which("gcc")
    if found is None:
        raise CompileError("gcc is not on PATH: install Debian's gcc and libc6-dev")
    return found


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompileError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout
