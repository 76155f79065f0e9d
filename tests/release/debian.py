"""The image's base: a few of Debian's packages, unpacked for any architecture. No program of the image runs.

apt chooses, downloads and verifies the packages (Debian's signatures, with the keys of debian-archive-keyring). Their
maintainer scripts do not run; what these would do and Python needs is done here. There is no shell and no dpkg.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from release.programs import ReleaseError, run

SUITE, RELEASE, PYTHON = "trixie", "13", "3.13"
WANTED = (f"python{PYTHON}-minimal", f"libpython{PYTHON}-stdlib")
# They install packages or configure them, which the image does not do.
LEFT_OUT = {"dpkg", "tar", "debconf"}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = "DEBIAN_MIRROR"
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
LOADERS = {"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}
# Scanners read here which packages an image without dpkg has.
STATUS = "var/lib/dpkg/status.d"
# Nothing in the image reads them, except copyright files.
DOCUMENTATION = ("usr/share/doc", "usr/share/man", "usr/share/lintian", "usr/share/locale", "usr/share/info")

USERS = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"
GROUPS = "root:x:0:\nnonroot:x:65532:\n"
NAME_SERVICES = "passwd: files\ngroup: files\nhosts: files dns\n"

_APT = """\
Dir "{folder}";
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
Dir::Cache::archives "{folder}/archives";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "{architecture}";
APT::Architectures "{architecture}";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One of Debian's packages in the image."""

    name: str
    version: str
    architecture: str


def base(architecture: str, root: Path, work: Path) -> Sequence[Package]:
    """Unpack the base to a new folder and return its packages. Raises ReleaseError."""
    archives = _download(architecture, work / f"apt-{architecture}")
    root.mkdir(parents=True)
    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / folder).mkdir(parents=True)
        (root / folder).symlink_to(f"usr/{folder}")
    packages = [_unpack(archive, root) for archive in archives]
    if not any((root / "usr/lib64").iterdir()):
        (root / "lib64").unlink()
        (root / "usr/lib64").rmdir()
    _configure(root)
    return packages


def python(root: Path, architecture: str) -> tuple[Sequence[str], Mapping[str, str]]:
    """Return how this machine, if it has that architecture, starts the image's own Python."""
    libraries = root / "usr/lib" / TRIPLETS[architecture]
    loader = libraries / LOADERS[architecture]
    command = (str(loader), "--library-path", str(libraries), str(root / f"usr/bin/python{PYTHON}"))
    return command, {
        "PYTHONHOME": str(root / "usr"),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.environ["PATH"],
    }


def _download(architecture: str, folder: Path) -> Sequence[Path]:
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    mirror = _mirror()
    # A mirror of Debian has the security fixes beside it, under this name.
    security = f"{mirror.rstrip('/')}-security"
    signed = f"deb [signed-by={KEYRING}]"
    (folder / "sources.list").write_text(f"{signed} {mirror} {SUITE} main\n{signed} {security} {SUITE}-security main\n")
    settings = folder / "apt.conf"
    settings.write_text(_APT.format(folder=folder.resolve(), architecture=architecture))
    # Read in addition to the machine's own settings, such as its proxy.
    environment = {**os.environ, "APT_CONFIG": str(settings), "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "-qq", "update", environment=environment)
    run("apt-get", "-qq", "--yes", "--download-only", "install", *WANTED, environment=environment)
    archives = sorted((folder / "archives").glob("*.deb"))
    if not archives:
        raise ReleaseError(f"apt downloaded no package of {SUITE} for {architecture}")
    return [archive for archive in archives if archive.name.partition("_")[0] not in LEFT_OUT]


def _mirror() -> str:
    """Return the mirror that this machine uses for Debian. Raises ReleaseError if that is unknown."""
    chosen = os.environ.get(MIRROR)
    if chosen:
        return chosen
    if not KEYRING.exists():
        raise ReleaseError(f"{KEYRING} is missing: install debian-archive-keyring")
    listed = run("apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages")
    for line in listed.splitlines():
        if line.startswith("Debian Debian http"):
            return line.split()[2]
    raise ReleaseError(f"this machine's apt has no mirror of Debian: set {MIRROR} to one")


def _unpack(archive: Path, root: Path) -> Package:
    run("dpkg-deb", "--extract", archive, root)
    control = run("dpkg-deb", "--field", archive)
    fields = HeaderParser().parsestr(control)
    package = Package(fields["Package"], fields["Version"], fields["Architecture"])
    status = root / STATUS
    status.mkdir(parents=True, exist_ok=True)
    (status / package.name).write_text(control)
    contents = run("dpkg-deb", "--contents", archive)
    (status / f"{package.name}.list").write_text("".join(f"{path}\n" for path in sorted(_paths(contents))))
    return package


def _paths(contents: str) -> Iterator[str]:
    """Yield the files and links of a package, relative to the root, as dpkg-deb lists them."""
    for line in contents.splitlines():
        mode, _, _, _, _, path = line.split(maxsplit=5)
        if not mode.startswith("d"):
            yield path.partition(" -> ")[0].partition(" link to ")[0].removeprefix("./")


def _configure(root: Path) -> None:
    """Do what maintainer scripts would do, and remove what nothing reads."""
    for folder in DOCUMENTATION:
        for path in sorted((root / folder).rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.name != "copyright":
                path.unlink()
    etc = root / "etc"
    etc.mkdir(exist_ok=True)
    for name, content in (("passwd", USERS), ("group", GROUPS), ("nsswitch.conf", NAME_SERVICES)):
        (etc / name).write_text(content)
    temporary = root / "tmp"
    temporary.mkdir(exist_ok=True)
    temporary.chmod(0o1777)
    shutil.rmtree(root / f"usr/lib/python{PYTHON}/test", ignore_errors=True)
