"""What a release takes from its source tree: version, notes, pinned requirements."""

from pathlib import Path

import pytest
from release.programs import ReleaseError
from release.python_files import markers
from release.source import ROOT, Source

REQUIREMENTS = """\
everywhere==1.0 \\
    --hash=sha256:00
    # via gpu-injector
old-python==2.0 ; python_version < '3.13' \\
    --hash=sha256:00
On_Windows==3.0 ; sys_platform == 'win32' \\
    --hash=sha256:00
on-arm==4.0 ; platform_machine == 'aarch64' \\
    --hash=sha256:00
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Return a source tree of version 1.2.0."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "runtime.txt").write_text(REQUIREMENTS)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "gpu-injector"\nversion = "1.2.0"\n')
    return Source(tmp_path, "0" * 40)


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        ("# C\n\n## [Unreleased]\n\nlater\n\n## [1.2.0] - 2027\n\nnow\n\n## [1.1.0] - 2026\n\nold\n", "now"),
        ("# C\n\n## [Unreleased]\n\nlater\n\n## [1.1.0] - 2026\n\nold\n", "later"),
    ],
)
def test_notes_are_the_section_of_the_version(source: Source, changelog: str, expected: str) -> None:
    """Before that section exists, what is unreleased."""
    (source.root / "CHANGELOG.md").write_text(changelog)
    assert source.notes() == f"# gpu-injector 1.2.0\n\n{expected}\n"


def test_a_release_without_notes_is_refused(source: Source) -> None:
    """Neither section."""
    (source.root / "CHANGELOG.md").write_text("# C\n\n## [1.1.0] - 2026\n\nold\n")
    with pytest.raises(ReleaseError, match=r"no section \[1\.2\.0\] and no section \[Unreleased\]"):
        source.notes()


@pytest.mark.parametrize(
    ("tag", "title", "message"),
    [
        ("v1.2.0", "[1.2.0] - 2027-01-01", None),
        ("v1.2.0", "[Unreleased]", "no section"),
        ("v1.2.1", "[1.2.0] - 2027-01-01", "has version 1.2.0"),
    ],
)
def test_a_tag_must_name_a_version_that_is_described(source: Source, tag: str, title: str, message: str | None) -> None:
    """The version is only in pyproject.toml; the changelog has its section before the tag."""
    (source.root / "CHANGELOG.md").write_text(f"# C\n\n## {title}\n\ntext\n")
    if message is None:
        source.check_tag(tag)
        return
    with pytest.raises(ReleaseError, match=message):
        source.check_tag(tag)


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [("amd64", {"everywhere": "1.0"}), ("arm64", {"everywhere": "1.0", "on-arm": "4.0"})],
)
def test_conditions_are_those_of_the_target(source: Source, architecture: str, expected: dict[str, str]) -> None:
    """Not of the machine that builds."""
    assert source.pinned(markers(architecture)) == expected


def test_all_requirements_of_this_checkout_are_read() -> None:
    """Every pin in the file is understood."""
    text = (ROOT / "requirements" / "runtime.txt").read_text()
    assert len(Source(ROOT, "").pinned_anywhere()) == sum("==" in line for line in text.splitlines() if line[0] != " ")
