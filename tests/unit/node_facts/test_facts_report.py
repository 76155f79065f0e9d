"""The report of node facts: what is written is read again, and nothing else is believed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.host_tree import bind_driver, unplug, write, write_host, write_pci

from webhook.node_facts.__main__ import has_changed, main
from webhook.node_facts.facts_report import MAX_BYTES, MAX_DRIVERS, NodeFacts
from webhook.node_facts.host_files import read_facts

GPU = "0000:00:00.0"
WORDS = st.from_regex(r"[0-9A-Za-z_.-]{1,64}", fullmatch=True)
FACTS = st.builds(
    NodeFacts,
    boot_id=st.uuids().map(str),
    architecture=WORDS,
    gpus=st.dictionaries(WORDS, st.integers(1, 1024), max_size=MAX_DRIVERS),
    driver_version=WORDS,
    is_tegra=st.booleans(),
    is_wsl=st.booleans(),
    has_mig=st.booleans(),
    added=st.sampled_from([True, False, None]),
)


@given(FACTS)
def test_a_report_is_read_as_it_was_written(facts: NodeFacts) -> None:
    """Whatever a host shows, the report fits a termination message and comes back the same."""
    text = facts.to_text()
    assert len(text.encode()) <= MAX_BYTES
    assert NodeFacts.parse(text) == facts


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": "1"},
        {"bootID": 7},
        {"bootID": "b 1"},
        {"bootID": "x" * 65},
        {"driverVersion": "1.2\n"},
        {"architecture": ["amd64"]},
        {"gpus": ["nvidia"]},
        {"gpus": {"nvidia": True}},
        {"gpus": {"nvidia": -1}},
        {"gpus": {"nvidia": 10**9}},
        {"gpus": {"a b": 1}},
        {"gpus": {f"d{number}": 1 for number in range(MAX_DRIVERS + 1)}},
    ],
)
def test_a_report_that_is_not_ours_is_ignored(change: dict[str, object]) -> None:
    """Malformed values of any field make the whole report worthless."""
    found = json.loads(NodeFacts(boot_id="b-1").to_text())
    assert NodeFacts.parse(json.dumps(found)) is not None
    assert NodeFacts.parse(json.dumps(found | change)) is None


@pytest.mark.parametrize("text", ["", "null", "[]", "{", "[" * 4000, "x" * (MAX_BYTES + 1), '"version"', "\x00"])
def test_a_text_that_is_no_report_is_ignored(text: str) -> None:
    """Other programs write termination messages too."""
    assert NodeFacts.parse(text) is None


def test_a_report_that_is_too_long_is_ignored() -> None:
    """Even one that would be valid: the kubelet cuts at this length."""
    text = NodeFacts(boot_id="b-1").to_text()
    assert NodeFacts.parse(text + " " * (MAX_BYTES - len(text))) is not None
    assert NodeFacts.parse(text + " " * (MAX_BYTES - len(text) + 1)) is None


def test_the_init_container_reports_and_the_other_waits_for_a_change(tmp_path: Path) -> None:
    """The first report has what the runtime added; afterwards only a change of the host is news."""
    root, message, last = (
        write_host(tmp_path / "host", ["nvidia"], version="535.129.03"),
        tmp_path / "m",
        tmp_path / "l",
    )
    write(root, "dev/nvidia0", "")
    options = [f"--root={root}", f"--container={root}", f"--message={message}", f"--last={last}"]
    main(["report", *options])
    first = NodeFacts.parse(message.read_text(encoding="utf-8"))
    assert first is not None
    assert (first.added, first.driver_version) == (True, "535.129.03")
    assert not has_changed(first.with_runtime(added=None), last)
    write_host(root, version="550.54.15")
    main(["follow", *options])
    second = NodeFacts.parse(message.read_text(encoding="utf-8"))
    assert second is not None
    assert (second.added, second.driver_version) == (None, "550.54.15")


def test_without_a_last_report_everything_is_news(tmp_path: Path) -> None:
    """An empty or damaged file, too."""
    assert has_changed(NodeFacts(), tmp_path / "none")
    (tmp_path / "damaged").write_text("{", encoding="utf-8")
    assert has_changed(NodeFacts(), tmp_path / "damaged")


def load_driver(root: Path) -> None:
    """Load the driver, as after its installation: the module, and the device."""
    bind_driver(root, GPU, "nvidia")
    write_host(root, version="550.54.15")


def unload_driver(root: Path) -> None:
    """Unload the driver, as before its upgrade."""
    bind_driver(root, GPU, "")
    (root / "proc/driver/nvidia/version").unlink()


CHANGES: dict[str, tuple[Callable[[Path], None], dict[str, Any]]] = {
    "upgraded": (load_driver, {"gpus": {"nvidia": 2}, "driver_version": "550.54.15"}),
    "unloaded": (unload_driver, {"gpus": {"none": 1, "nvidia": 1}, "driver_version": ""}),
    "for a virtual machine": (lambda root: bind_driver(root, GPU, "vfio-pci"), {"gpus": {"nvidia": 1, "vfio-pci": 1}}),
    "unplugged": (lambda root: unplug(root, GPU), {"gpus": {"nvidia": 1}}),
    "plugged": (lambda root: write_pci(root, ["nvidia"]), {"gpus": {"nvidia": 3}}),
    "MIG devices made": (
        lambda root: write(root, "proc/driver/nvidia/capabilities/gpu0/mig/gi1/access", ""),
        {"has_mig": True},
    ),
    "a host of vGPUs": (lambda root: write(root, "sys/module/nvidia_vgpu_vfio/x", ""), {"gpus": {"nvidia-vgpu": 2}}),
}


@pytest.mark.parametrize(("change", "found"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_host_is_reported(
    tmp_path: Path, change: Callable[[Path], None], found: Mapping[str, Any]
) -> None:
    """While the pod runs, of one of two GPUs; and once only."""
    root = write_host(tmp_path / "host", ["nvidia", "nvidia"], version="535.129.03")
    message, last = tmp_path / "m", tmp_path / "l"
    options = [f"--root={root}", f"--container={tmp_path}", f"--message={message}", f"--last={last}"]
    main(["report", *options])
    before = read_facts(root)
    assert not has_changed(before, last)
    change(root)
    main(["follow", *options])
    now = NodeFacts.parse(message.read_text(encoding="utf-8"))
    assert now == replace(before, **found)
    assert not has_changed(read_facts(root), last)


def test_another_package_of_the_driver_is_no_change(tmp_path: Path) -> None:
    """The loaded module counts: until a reboot the one before is in use."""
    root, last = write_host(tmp_path / "host", ["nvidia"], version="535.129.03"), tmp_path / "l"
    last.write_text(read_facts(root).to_text(), encoding="utf-8")
    write(root, "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15", "")
    write(root, "sys/module/nvidia/version", "535.129.03\n")
    assert not has_changed(read_facts(root), last)
