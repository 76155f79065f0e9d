"""Signatures: what a changed, missing or foreign file of a release looks like, and that openssl agrees."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from release.chart import without_times
from release.programs import ReleaseError
from release.sbom import bill, python_component
from release.signing import PUBLIC_KEY, SUMS, load_key, make_key, sign, wrong_signatures

# As docs/releasing.md says.
OPENSSL = """
openssl base64 -d -A -in "$1.sig" -out "$1.der"
openssl dgst -sha256 -verify release.pub -signature "$1.der" "$1"
"""


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """Return a folder with two signed files."""
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "a.whl").write_text("a")
    (folder / "b.tgz").write_text("b")
    make_key(tmp_path / "key.pem")
    sign(folder, load_key(tmp_path / "key.pem"))
    return folder


def other_key(folder: Path) -> None:
    """Sign everything with a key that is not the release's."""
    kept = (folder / PUBLIC_KEY).read_bytes()
    make_key(folder.parent / "other.pem")
    for path in [*folder.glob("*.sig"), folder / SUMS, folder / PUBLIC_KEY]:
        path.unlink()
    sign(folder, load_key(folder.parent / "other.pem"))
    (folder / PUBLIC_KEY).write_bytes(kept)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _: None, []),
        (
            lambda folder: (folder / "a.whl").write_text("x"),
            [f"a.whl: {SUMS} has another checksum or none", "a.whl: the signature is missing or wrong"],
        ),
        (lambda folder: (folder / "a.whl.sig").unlink(), ["a.whl: the signature is missing or wrong"]),
        (lambda folder: (folder / "a.whl.sig").write_text("!"), ["a.whl: the signature is missing or wrong"]),
        (
            lambda folder: (folder / "c.tar").write_text("c"),
            [f"c.tar: {SUMS} has another checksum or none", "c.tar: the signature is missing or wrong"],
        ),
        (lambda folder: (folder / "b.tgz").unlink(), [f"b.tgz: listed in {SUMS}, but missing"]),
        (other_key, [f"{name}: the signature is missing or wrong" for name in (SUMS, "a.whl", "b.tgz")]),
    ],
    ids=["unchanged", "changed", "unsigned", "no-base64", "added", "removed", "other-key"],
)
def test_what_is_wrong_is_said(signed: Path, change: Callable[[Path], object], expected: list[str]) -> None:
    """For each file, in words."""
    change(signed)
    assert list(wrong_signatures(signed, signed / PUBLIC_KEY)) == expected


@pytest.mark.parametrize(("content", "code"), [("a", 0), ("x", 1)])
def test_openssl_agrees(signed: Path, content: str, code: int) -> None:
    """Users verify without our code."""
    (signed / "a.whl").write_text(content)
    done = subprocess.run(["sh", "-c", OPENSSL, "sh", "a.whl"], cwd=signed, capture_output=True, check=False)
    assert done.returncode == code


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    """With its path."""
    path = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], capture_output=True, check=True)
    with pytest.raises(ReleaseError, match=r"key\.pem is not an ECDSA key on the curve P-256"):
        load_key(path)
    path.write_text("no key")
    with pytest.raises(ReleaseError, match="is not a private key in PEM without a password"):
        load_key(path)


def test_two_packed_charts_are_equal_but_for_their_times(tmp_path: Path) -> None:
    """Helm writes the time of packing into each entry."""
    chart = tmp_path / "gpu-injector"
    chart.mkdir()
    (chart / "Chart.yaml").write_text("version: 1.2.0\n")
    (chart / "values.yaml").write_text("image: {}\n")
    packed = []
    for time in ("2027-01-01", "2027-01-02"):
        command = ["tar", f"--mtime={time}", "-czf", "-", "-C", str(tmp_path), "gpu-injector/values.yaml"]
        packed.append(subprocess.run([*command, "gpu-injector/Chart.yaml"], capture_output=True, check=True).stdout)
    assert packed[0] != packed[1]
    assert without_times(packed[0]) == without_times(packed[1])


def test_a_bill_of_materials_does_not_depend_on_the_order() -> None:
    """Two builds of one source have the same one, serial number included."""
    components = [python_component("Click", "8.3.1"), python_component("aiohttp", "3.14")]
    one, other = (bill("1.2.0", "wheel", chosen, {"type": "library"}) for chosen in (components, components[::-1]))
    assert one == other
    assert '"purl": "pkg:pypi/click@8.3.1"' in one
