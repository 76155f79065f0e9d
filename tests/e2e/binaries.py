"""The programs that the end-to-end tests start: built once from the pinned Go modules in ``modules/``.

The cache is outside the checkout. To build another program, add a row: its package must be in the go.mod of its module.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent / "modules"
STRIPPED = "-s -w"

# Of these versions only the API server is built. The rest of the control plane is of versions that are built anyway:
# controllers may be older than their API server.
ONLY_API_SERVER: Mapping[str, Mapping[str, str]] = {"1.36": {"kube-controller-manager": "1.33", "kubectl": "1.37"}}

# What go prints, and the fix. The first match is shown.
HINTS = (
    ("requires go >=", "this Go is too old for the module: install the version that it names"),
    ("no space left on device", "the disk is full: free some space, or set XDG_CACHE_HOME and GOCACHE to another one"),
    ("missing go.sum entry", "go.sum is incomplete: run `go mod tidy` in the module's folder and commit the result"),
    ("updates to go.mod needed", "go.mod is out of date: run `go mod tidy` in the module's folder and commit it"),
    ("dial tcp", "the Go module proxy cannot be reached: check the network and `go env GOPROXY`"),
    ("i/o timeout", "the Go module proxy does not answer: check the network and `go env GOPROXY`"),
)

Report = Callable[[str], None]


class BuildError(RuntimeError):
    """A program could not be built; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Program:
    """One Go program: a package, the folder below ``modules/`` that pins it, and how it is linked."""

    name: str
    module: str
    package: str
    link: str = STRIPPED
    cgo: bool = False

    def command(self, go: str, output: Path) -> Sequence[str]:
        """Return the command that builds the program; nothing in it depends on where the checkout is."""
        flags = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", self.link)
        return (go, "build", *flags, "-o", str(output), self.package)


def pinned_version(module: str, requirement: str, modules: Path = MODULES) -> str:
    """Return the version, without its ``v``, of a required module in the go.mod of a folder below ``modules/``."""
    pins = modules / module / "go.mod"
    found = re.search(rf"^require {re.escape(requirement)} v(\S+)$", pins.read_text(), re.MULTILINE)
    if found is None:
        raise BuildError(f"{pins} requires no {requirement}")
    return found[1]


def module_sources(module: str, requirement: str, modules: Path = MODULES) -> Path:
    """Return the folder with the sources of a required module, manifests and charts among them. Raises BuildError."""
    command = ("go", "mod", "download", "-json", requirement)
    done = subprocess.run(command, cwd=modules / module, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"the sources of {requirement} could not be had:\n{done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["Dir"])


def kubernetes(name: str, minor: str) -> Program:
    """Return one of Kubernetes' own programs, which reports the version that its module pins."""
    module = f"kubernetes-{minor}"
    version = pinned_version(module, "k8s.io/kubernetes")
    link = f"{STRIPPED} -X k8s.io/component-base/version.gitVersion=v{version}"
    return Program(name, module, f"k8s.io/kubernetes/cmd/{name}", link)


def control_plane_programs(minor: str) -> tuple[Program, ...]:
    """Return what a control plane of this minor version needs, kubectl included."""
    names = ("kube-apiserver", "kube-controller-manager", "kubectl")
    etcd = Program("etcd", "etcd", "go.etcd.io/etcd/server/v3")
    borrowed = ONLY_API_SERVER.get(minor, {})
    return (etcd, *(kubernetes(name, borrowed.get(name, minor)) for name in names))


def provide(programs: Sequence[Program], minor: str, report: Report) -> Mapping[str, Path]:
    """Return the path of every program by name: from ``KUBEBUILDER_ASSETS`` where that fits, else built."""
    assets = assets_for(minor, report)
    return {program.name: assets.get(program.name) or build(program, report) for program in programs}


def assets_for(minor: str, report: Report) -> Mapping[str, Path]:
    """Return the programs in the folder ``KUBEBUILDER_ASSETS``, if its kube-apiserver is of this minor version.

    Raises BuildError where the variable is set and the folder has no kube-apiserver that starts.
    """
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        return {}
    found = _reported_version(Path(folder) / "kube-apiserver")
    if not found.startswith(f"{minor}."):
        report(f"KUBEBUILDER_ASSETS has Kubernetes {found}: not used for {minor}, which is built")
        return {}
    report(f"KUBEBUILDER_ASSETS has Kubernetes {found}: used for {minor}")
    return {path.name: path for path in Path(folder).iterdir() if os.access(path, os.X_OK)}


def _reported_version(server: Path) -> str:
    try:
        answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"KUBEBUILDER_ASSETS is set, but {server} does not start: {error}") from error
    return answer.strip().removeprefix("Kubernetes v")


def build(program: Program, report: Report, *, modules: Path = MODULES, cache: Path | None = None) -> Path:
    """Return the path of a program, which is built if the cache has no build of the same sources and flags.

    Raises BuildError.
    """
    module = modules / program.module
    built = (cache or cache_folder()) / _key(program, module) / program.name
    if built.exists():
        return built
    built.parent.mkdir(parents=True, exist_ok=True)
    with _alone(built.parent / "lock"):
        if not built.exists():
            _compile(program, module, built, report)
    return built


def cache_folder() -> Path:
    """Return where builds are kept: below ``XDG_CACHE_HOME``, or ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "gpu-injector" / "binaries"


def _key(program: Program, module: Path) -> str:
    """Hash everything that a build depends on."""
    digest = hashlib.sha256()
    parts = (*program.command("go", Path(program.name)), str(program.cgo), sys.platform, platform.machine())
    for content in ((module / "go.mod").read_bytes(), (module / "go.sum").read_bytes(), "\0".join(parts).encode()):
        digest.update(hashlib.sha256(content).digest())
    return f"{program.module}-{digest.hexdigest()[:16]}"


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Allow one builder at a time; the kernel releases the lock of a builder that died."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile(program: Program, module: Path, built: Path, report: Report) -> None:
    # Under another name until it is complete: an interrupted build must not be taken for a program.
    unfinished = built.with_suffix(".unfinished")
    environment = {**os.environ, "CGO_ENABLED": str(int(program.cgo)), "GOWORK": "off"}
    command = program.command(_go(program), unfinished)
    report(f"building {program.name} ({program.module}); from scratch this takes minutes")
    started = time.monotonic()
    done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(_diagnosis(program, done.stderr))
    unfinished.rename(built)
    report(f"built {program.name} ({program.module}) in {time.monotonic() - started:.0f} s")


def _go(program: Program) -> str:
    found = shutil.which("go")
    if found is None:
        raise BuildError(
            f"{program.name} must be built, and go is not on PATH: install Go (the version that the go.mod files in"
            f" {MODULES} name), or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl"
        )
    return found


def _diagnosis(program: Program, stderr: str) -> str:
    hint = next((hint for text, hint in HINTS if text in stderr), "go says why:")
    tail = "\n".join(stderr.strip().splitlines()[-15:])
    return f"{program.name} ({program.module}) could not be built: {hint}\n{tail}"
