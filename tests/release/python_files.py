"""The image's own layer: a virtual environment with the pinned wheels of a platform, and ours.

uv chooses the wheels of the target platform; nothing of that platform runs. The environment is written by hand, because
`venv` can make one only for the machine that it runs on.
"""

import os
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from release.debian import PYTHON
from release.programs import run
from release.source import REQUIREMENTS, Source

ENVIRONMENT = "opt/venv"
SITE_PACKAGES = f"{ENVIRONMENT}/lib/python{PYTHON}/site-packages"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC = "2_40"  # of what uv knows, the newest that is not newer than the base's
# Most of the kubernetes package is its asyncio twin, and groups of the API that nothing here calls.
UNUSED = ("kubernetes/aio", "bin")
UNUSED_API = "kubernetes/client/api"
USED_API = ("__init__.py", "core_v1_api.py")
SOURCES_OF_C = (".pyx", ".pxd", ".c", ".h")
# The server does not load these: they stay uncompiled, and small.
NOT_COMPILED = (
    "kubernetes/client/(api|models)/|/(pygments|rich|typer|markdown_it|oauthlib|websocket|prompt_toolkit|wcwidth)/"
)
SCRIPT = "#!/{environment}/bin/python3\nimport sys\n\nfrom webhook.__main__ import main\n\nsys.exit(main())\n"


def markers(architecture: str) -> Mapping[str, str]:
    """Return the environment that conditions of requirements are evaluated for."""
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": MACHINES[architecture],
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{PYTHON}.0",
        "python_version": PYTHON,
        "sys_platform": "linux",
        "extra": "",
    }


def python_environment(source: Source, wheel: Path, architecture: str, root: Path) -> None:
    """Write the environment for a platform below a root. Raises ReleaseError."""
    packages = root / SITE_PACKAGES
    packages.mkdir(parents=True)
    uv = Path(sys.executable).with_name("uv")
    platform = (f"--python-platform={MACHINES[architecture]}-manylinux_{GLIBC}", f"--python-version={PYTHON}")
    settings = ("--require-hashes", "--no-deps", "--only-binary=:all:", "--link-mode=copy", "--quiet")
    requirements = source.root / REQUIREMENTS
    run(uv, "pip", "install", f"--target={packages}", *platform, *settings, "-r", requirements, environment=_plain())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    _write_environment(root / ENVIRONMENT)
    _trim(packages)


def compiled(root: Path, folder: str, python: tuple[Sequence[str], Mapping[str, str]]) -> None:
    """Compile the modules below a folder once: the root file system is read-only, so nothing checks them again."""
    command, environment = python
    settings = ("-q", "-f", "--invalidation-mode=unchecked-hash", "-x", NOT_COMPILED, "-s", root, "-p", "/")
    run(*command, "-m", "compileall", *settings, root / folder, environment=environment)


def _plain() -> Mapping[str, str]:
    """Return this process's environment, without what would let uv look at another environment."""
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}


def _write_environment(folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(f"/usr/bin/python{PYTHON}")
    (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n")
    script = programs / "gpu-injector"
    script.write_text(SCRIPT.format(environment=ENVIRONMENT))
    script.chmod(0o755)


def _trim(packages: Path) -> None:
    for name in UNUSED:
        shutil.rmtree(packages / name, ignore_errors=True)
    for path in (packages / UNUSED_API).glob("*_api.py"):
        if path.name not in USED_API:
            path.unlink()
    for path in [*packages.rglob("*")]:
        if path.suffix in SOURCES_OF_C and path.is_file():
            path.unlink()
    (packages / ".lock").unlink(missing_ok=True)
