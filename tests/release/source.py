"""The source tree of a release: its version, its pinned requirements and its release notes."""

import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker

from release.programs import ReleaseError, run

ROOT = Path(__file__).parents[2]
REQUIREMENTS = "requirements/runtime.txt"
# NAME==VERSION, and for some a condition on the platform.
_PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))? \\")


@dataclass(frozen=True, slots=True)
class Source:
    """A source tree, and the commit that it is from."""

    root: Path
    revision: str

    @property
    def version(self) -> str:
        """Return the version: pyproject.toml is the only place that people edit."""
        version: str = tomllib.loads((self.root / "pyproject.toml").read_text())["project"]["version"]
        return version

    def check_tag(self, tag: str) -> None:
        """Raise ReleaseError unless a tag names this version, and the changelog describes it."""
        if tag != f"v{self.version}":
            raise ReleaseError(f"the tag is {tag}, but pyproject.toml has version {self.version}")
        if f"\n## [{self.version}]" not in (self.root / "CHANGELOG.md").read_text():
            raise ReleaseError(f"CHANGELOG.md has no section [{self.version}]")

    def notes(self) -> str:
        """Return the changelog's section of this version, or of what is unreleased. Raises ReleaseError."""
        sections = (self.root / "CHANGELOG.md").read_text().split("\n## ")[1:]
        for title in (f"[{self.version}]", "[Unreleased]"):
            for section in sections:
                if section.startswith(title):
                    text = section.partition("\n")[2].strip()
                    return f"# gpu-injector {self.version}\n\n{text}\n"
        raise ReleaseError(f"CHANGELOG.md has no section [{self.version}] and no section [Unreleased]")

    def pinned(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """Return the versions of the pinned requirements that apply to a platform, by normalised name."""
        return {
            normalised(found["name"]): found["version"]
            for found in self._requirements()
            if not found["marker"] or Marker(found["marker"]).evaluate(dict(environment))
        }

    def pinned_anywhere(self) -> Mapping[str, str]:
        """Return the versions of all pinned requirements, whatever their conditions."""
        return {normalised(found["name"]): found["version"] for found in self._requirements()}

    def _requirements(self) -> Iterator[re.Match[str]]:
        for line in (self.root / REQUIREMENTS).read_text().splitlines():
            found = _PINNED.match(line)
            if found:
                yield found


def normalised(name: str) -> str:
    """Return a package's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def checkout(folder: Path) -> Source:
    """Copy the files of this checkout that git knows; the revision says so if they differ from the commit."""
    revision = run("git", "rev-parse", "HEAD", cwd=ROOT).strip()
    changed = run("git", "status", "--porcelain", "--untracked-files=no", cwd=ROOT)
    for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return Source(folder, f"{revision}-changed" if changed else revision)


def exported(revision: str, folder: Path) -> Source:
    """Write the files of a commit to a folder. Raises ReleaseError if the clone does not have the commit."""
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar")
    run("git", "archive", f"--output={archive}", revision, cwd=ROOT)
    run("tar", "-xf", archive, "-C", folder)
    archive.unlink()
    return Source(folder, run("git", "rev-parse", f"{revision}^{{commit}}", cwd=ROOT).strip())
