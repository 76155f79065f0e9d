"""Clusters from public reports, and one healthy cluster of each platform, read offline."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.archives import ARCHIVES, facts_of, outcomes_of, read
from support.mixed_platforms import PLATFORMS
from support.written_archives import MODEL, case_text, cases, platform_text

from webhook.__main__ import main
from webhook.archive.anonymise import anonymise
from webhook.archive.archive import ArchiveError, dump, load
from webhook.doctor.check import State

FAIL, WARN, PASS, UNKNOWN = State.FAIL, State.WARN, State.PASS, State.UNKNOWN
# Case -> the checks that do not pass, with a text that must be in evidence or fix.
FIELD: dict[str, dict[str, tuple[State, str]]] = {
    "aks-handler-name": {},
    "all-unhealthy-default-runtime": {
        "gpus-healthy": (FAIL, "gpu-node has 1 nvidia.com/gpu and offers 0"),
        "plugin-log": (FAIL, "XidCriticalError: Xid=69"),
    },
    "cdi-words": {
        "gpus-allocatable": (FAIL, "gpu-node offers nvidia.com/gpu: 0"),
        "plugin-running": (FAIL, "CrashLoopBackOff, 9 restarts"),
        "plugin-nvml": (FAIL, "CDI --device-list-strategy options are only supported on NVML-based systems"),
        "plugin-restart": (FAIL, "delete pod nvidia-device-plugin-abcde"),
    },
    "class-brings-nothing": {
        "gpus-allocatable": (FAIL, "gpu-node offers nvidia.com/gpu: 0"),
        "plugin-nvml": (FAIL, "accept-nvidia-visible-devices-envvar-when-unprivileged"),
    },
    "cpu-node-with-toolkit": {
        "plugin-nvml": (WARN, "nothing, if cpu-7 has no GPU"),
        "plugin-left-alone": (WARN, "nothing, if cpu-7 has no GPU"),
    },
    "cri-dockerd-0.4": {},
    "dra-only": {},
    "gb10": {
        "gpus-allocatable": (FAIL, "gpu-node offers nvidia.com/gpu: 0"),
        "plugin-running": (FAIL, "CrashLoopBackOff, 9 restarts"),
        "plugin-log": (FAIL, "upgrade the device plugin to 0.17.4 or newer"),
    },
    "no-runtime-crio": {"event-no-runtime": (FAIL, "failed to find runtime handler nvidia")},
    "operator-nri": {},
    "volcano-plugin": {
        "gpus-allocatable": (FAIL, "gpu-node offers nvidia.com/gpu: 0"),
        "plugin-recognised": (WARN, "Volcano's vGPU device plugin"),
        "plugin-nvml": (FAIL, "name this plugin under `bootstrap.plugins`"),
    },
}
# What the right answer must not contain.
NEVER = {
    "all-unhealthy-default-runtime": "bootstrap/nvml",
    "class-brings-nothing": "see the check runtime-handler",
    "cpu-node-with-toolkit": "delete pod",
    "volcano-plugin": "helm",
    "aks-handler-name": "handler: nvidia\n",
}
HEALTHY = sorted({path.stem for path in ARCHIVES.glob("*.json")} - FIELD.keys())


def test_each_platform_of_the_table_has_an_archive() -> None:
    """A platform without an archive would not be tested."""
    assert sorted(PLATFORMS) == HEALTHY


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_archive_of_a_platform_is_current(name: str) -> None:
    """What is registered, and what is collected, is in the file as it is today (``make archives`` writes it)."""
    assert (ARCHIVES / f"{name}.json").read_text() == platform_text(name)


@pytest.mark.parametrize("path", cases(), ids=lambda path: path.stem)
def test_a_field_case_is_current(path: Path) -> None:
    """It has our own objects of today (``make archives`` writes it)."""
    assert path.read_text() == case_text(path, (ARCHIVES / f"{MODEL}.json").read_text())


@pytest.mark.parametrize("name", FIELD)
def test_a_field_case_has_the_right_outcome(name: str) -> None:
    """All checks pass but those named, and their texts name the cause."""
    outcomes = outcomes_of(read(name))
    found = {check: one.result for check, one in outcomes.items() if one.result.state is not PASS}
    assert {check: result.state for check, result in found.items()} == {key: one[0] for key, one in FIELD[name].items()}
    for check, (_, says) in FIELD[name].items():
        assert says in "\n".join((*found[check].evidence, *found[check].fix))
    everything = "\n".join(line for one in outcomes.values() for line in (*one.result.evidence, *one.result.fix))
    assert NEVER.get(name, "\0") not in everything


@pytest.mark.parametrize("name", HEALTHY)
def test_doctor_has_nothing_to_say_about_a_healthy_platform(name: str) -> None:
    """Every check passes."""
    outcomes = outcomes_of(read(name))
    assert {check: one.result for check, one in outcomes.items() if one.result.state is not PASS} == {}


@pytest.mark.parametrize("name", ["volcano-plugin", "gb10", "no-runtime-crio"])
def test_names_as_hashes_change_no_outcome(name: str) -> None:
    """No name of a node or pod is left in the file, and each check says the same of the other names."""
    archive = read(name)
    hidden = anonymise(archive, b"salt")
    states = {check: one.result.state for check, one in outcomes_of(archive).items()}
    assert {check: one.result.state for check, one in outcomes_of(hidden).items()} == states
    content = dump(hidden).decode()
    assert [word for word in ("gpu-node", "nvidia-device-plugin-abcde", '"model"') if word in content] == []


def test_what_could_not_be_read_stays_unknown() -> None:
    """A kind that was forbidden is no empty kind when the file is read."""
    archive = read("dra-only")
    path = "/apis/node.k8s.io/v1/runtimeclasses"
    outcomes = outcomes_of(replace(archive, answers={**archive.answers, path: 403}))
    assert outcomes["class-exists"].result.state is UNKNOWN
    assert path in replace(archive, answers={**archive.answers, path: 403}).unread()


def test_a_file_is_what_was_written() -> None:
    """Written and read again, compressed or not, an archive gives the same facts."""
    archive = read("gb10")
    assert facts_of(load(dump(archive), "a.json")).plugin_logs == facts_of(archive).plugin_logs


def test_a_kind_that_is_not_in_the_file_is_unknown_by_its_group() -> None:
    """A file has the names of the groups alone, so they are what the sentence names."""
    result = CliRunner().invoke(main, ["why", "rayclusters/r", "--from", str(ARCHIVES / f"{MODEL}.json")])
    assert (result.exit_code, result.stdout) == (3, "")
    assert 'no kind "rayclusters" was found, and these APIs could not be read: apps (501' in result.stderr


@pytest.mark.parametrize("namespace", ["ml", "typo"])
def test_a_namespace_that_does_not_exist_has_no_healthy_pods(namespace: str) -> None:
    """It is a mistake in the command, and no check passes for it."""
    result = CliRunner().invoke(main, ["doctor", "-n", namespace, "--from", str(ARCHIVES / f"{MODEL}.json")])
    is_there = namespace == "ml"
    assert (result.exit_code, bool(result.stdout)) == ((0, True) if is_there else (2, False))
    assert ("Error: namespace typo does not exist\n" in result.stderr) != is_there


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "Node", "metadata": {"name": "n$(touch x)"}},
        {"kind": "Pod", "metadata": {"name": "p", "namespace": "ml; true"}},
        {"kind": "Pod", "metadata": {"name": "p", "namespace": "ml"}, "spec": {"nodeName": "n\n| sh"}},
        {"kind": "Event", "metadata": {"name": "e"}, "involvedObject": {"namespace": "ml; true"}},
        {
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "gpu-injector"},
            "webhooks": [{"name": "w"}, {"name": "x", "clientConfig": {"service": {"namespace": "home; true"}}}],
        },
    ],
)
def test_a_file_cannot_put_a_command_into_a_name(item: dict[str, object]) -> None:
    """Doctor prints commands with the names in the file, and programs may run them."""
    with pytest.raises(ArchiveError, match="is no name of an object"):
        load(json.dumps({"apiVersion": "v1", **item}).encode(), "file")
