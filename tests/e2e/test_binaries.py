"""How the programs under test are provided: built once, from what is pinned, with a clear word where that fails."""

import threading
from pathlib import Path

import pytest

from e2e.binaries import BuildError, Program, assets_for, build, control_plane_programs, pinned_version

HELLO = Program("hello", "hello", "example.com/hello")


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """Write a small module that needs nothing but Go."""
    folder = tmp_path / "modules" / "hello"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module example.com/hello\n\ngo 1.21\n")
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    return folder.parent


def test_a_program_is_built_once_by_two_builders(modules: Path, tmp_path: Path) -> None:
    """The second waits for the first and finds the work done; so does every later one."""
    told: list[str] = []

    def build_hello() -> None:
        build(HELLO, told.append, modules=modules, cache=tmp_path / "cache")

    builders = [threading.Thread(target=build_hello) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    build_hello()
    assert [line.split()[0] for line in told] == ["building", "built"]


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_another_pin_is_another_build(modules: Path, tmp_path: Path, file: str) -> None:
    """What was built from other versions is never taken for what is pinned now."""
    before = build(HELLO, print, modules=modules, cache=tmp_path / "cache")
    pins = modules / "hello" / file
    pins.write_text(pins.read_text() + "\n")
    assert build(HELLO, print, modules=modules, cache=tmp_path / "cache") != before


@pytest.mark.parametrize(
    ("go_mod", "said"),
    [
        ("module example.com/hello\n\ngo 9.99\n", "too old"),
        ("module example.com/hello\n\ngo 1.21\n\nrequire golang.org/x/text v0.3.0\n", "go mod tidy"),
    ],
)
def test_a_failed_build_says_what_to_do(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go_mod: str, said: str
) -> None:
    """Go's own message follows, and nothing is left that could be taken for a program."""
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    (modules / "hello" / "go.mod").write_text(go_mod)
    (modules / "hello" / "main.go").write_text('package main\n\nimport _ "golang.org/x/text"\n\nfunc main() {}\n')
    with pytest.raises(BuildError, match=said):
        build(HELLO, print, modules=modules, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("hello"))


def test_without_go_the_message_names_both_ways_out(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Install Go, or bring the programs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"(?s)install Go .*KUBEBUILDER_ASSETS"):
        build(HELLO, print, modules=modules, cache=tmp_path / "cache")


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set KUBEBUILDER_ASSETS to a folder whose kube-apiserver says that it is 1.33.7."""
    server = tmp_path / "kube-apiserver"
    server.write_text("#!/bin/sh\necho Kubernetes v1.33.7\n")
    server.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    return tmp_path


def test_assets_serve_the_version_that_they_report(assets: Path) -> None:
    """Another version is built as if they were not there, and the output says so."""
    told: list[str] = []
    assert assets_for("1.33", told.append) == {"kube-apiserver": assets / "kube-apiserver"}
    assert assets_for("1.37", told.append) == {}
    assert ["used for 1.33" in told[0], "not used for 1.37" in told[1]] == [True, True]


def test_assets_that_do_not_start_are_an_error(assets: Path) -> None:
    """The variable was set on purpose: a wrong value is an error."""
    (assets / "kube-apiserver").unlink()
    with pytest.raises(BuildError, match="KUBEBUILDER_ASSETS is set"):
        assets_for("1.33", print)


def test_of_some_versions_only_the_api_server_is_built() -> None:
    """The rest is of versions that other tests build, and controllers are not newer than their API server."""
    modules = {program.name: program.module for program in control_plane_programs("1.36")}
    assert modules == {
        "etcd": "etcd",
        "kube-apiserver": "kubernetes-1.36",
        "kube-controller-manager": "kubernetes-1.33",
        "kubectl": "kubernetes-1.37",
    }


@pytest.mark.parametrize("minor", ["1.33", "1.37"])
def test_every_program_is_linked_with_the_pinned_version(minor: str) -> None:
    """It is what the API server reports, and what clients read to know what it can do."""
    version = pinned_version(f"kubernetes-{minor}", "k8s.io/kubernetes")
    assert version.startswith(f"{minor}.")
    ours = [program for program in control_plane_programs(minor) if program.module != "etcd"]
    assert len(ours) == 3
    assert all(program.link.endswith(f"gitVersion=v{version}") for program in ours)
