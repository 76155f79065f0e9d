"""Every ``-o json``: it has the version, each list has objects or plain words, and what is said has a code."""

import asyncio
import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from support.doctor_world import HOME, Cluster, event, healthy, served
from support.fake_api import FakeApi
from support.odd_json import lists_of_sentences

from webhook.__main__ import main
from webhook.commands.decisions.run import to_json
from webhook.commands.eject.plan import OBSTACLES
from webhook.commands.shared.json_output import JSON_VERSION, NamedObjects, command_of, fixes
from webhook.commands.shared.verdict_json import note_codes_as_markdown
from webhook.doctor.registry import CATEGORIES

DOCS = Path(__file__).parents[3] / "docs"
GPU = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}], "hostUsers": False}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ml"}, "spec": GPU}
RUNS = {
    "doctor": ["doctor", "-o", "json"],
    "preview": ["preview", "-A", "--explain", "-o", "json"],
    "preview -f": ["preview", "-f", "-", "-o", "json"],
    "why": ["why", "pod/model", "-n", "ml", "-o", "json"],
    "why, a plugin": ["why", "ds/nvidia-device-plugin", "-n", "kube-system", "-o", "json"],
    "eject": ["eject", "-A", "-o", "json"],
    "decisions": ["decisions", "-o", "json"],
    "verify": ["verify", "--image", "python:3", "--timeout", "0", "-o", "json"],
    "verify --server-side": ["verify", "--server-side", "-n", "ml", "--timeout", "0", "-o", "json"],
    "certs show": ["certs", "show", "-o", "json"],
    "certs rotate": ["certs", "rotate", "-o", "json"],
    "policy check": ["policy", "check", "-", "-o", "json"],
}
# A List of objects for kubectl: its Archive has its own version.
LISTS = {"view": ["view", "-o", "json"]}


def commands_with_json(group: click.Group, begin: str = "") -> Iterator[str]:
    """Yield the names of the commands that have ``-o json``."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_with_json(command, f"{begin}{name} ")
        options = (option.type for option in command.params if option.name == "output")
        if any(isinstance(kind, click.Choice) and "json" in kind.choices for kind in options):
            yield begin + name


def test_every_command_with_json_is_in_the_table() -> None:
    """A new one must be tried, too."""
    words = {" ".join(run[: 2 if run[0] in ("certs", "policy") else 1]) for run in (*RUNS.values(), *LISTS.values())}
    assert set(commands_with_json(main)) == words


def spoilt() -> Cluster:
    """Return a cluster in which many checks have something to say."""
    cluster = healthy()
    cluster.bare_pod()
    cluster.blind_plugin("Failed to initialize NVML: could not load NVML library.\n")
    cluster.add(event('no runtime for "nvidia" is configured'), POD)
    cluster.node["status"]["conditions"] = [{"type": "GpuXid", "status": "True", "message": "xid 79"}]
    cluster.remove("RuntimeClass", "nvidia")
    return cluster


async def _run(api: FakeApi, folder: Path, words: list[str]) -> Result:
    target = [] if words[0] == "policy" else ["--kubeconfig", api.kubeconfig(folder)]
    text = "runtimClass: x\nresources: nvidia.com/gpu\n" if words[0] == "policy" else json.dumps(POD)
    return await asyncio.to_thread(CliRunner().invoke, main, [*words, *target], input=text)


@pytest.mark.parametrize("make", [healthy, spoilt])
@pytest.mark.parametrize("name", RUNS)
async def test_each_output_has_a_version_and_no_bare_sentence(
    tmp_path: Path, name: str, make: Callable[[], Cluster]
) -> None:
    """Whether all is well or not."""
    async with served(make()) as api:
        result = await _run(api, tmp_path, RUNS[name])
    if not result.stdout and result.exit_code in (2, 3):
        assert "rror: " in result.stderr
        return
    printed = json.loads(result.stdout)
    assert printed["version"] == JSON_VERSION
    assert lists_of_sentences(printed) == []


async def test_a_finding_names_its_objects_and_a_fix_its_command(tmp_path: Path) -> None:
    """As data, beside the sentence; the code is the name of the check, which docs/doctor.md has as a heading."""
    async with served(spoilt()) as api:
        result = await _run(api, tmp_path, RUNS["doctor"])
    checks = {row["check"]: row for row in json.loads(result.stdout)["checks"]}
    assert {
        (name, one["code"]) for name, row in checks.items() for one in row["evidence"] if name != one["code"]
    } == set()
    (said,) = checks["gpus-allocatable"]["evidence"]
    assert said["objects"] == [{"kind": "Node", "name": "gpu-node"}]
    assert said["message"].startswith("gpu-node offers nvidia.com/gpu: 0")
    (said,) = checks["pods-user-namespaces"]["evidence"]
    assert said["objects"] == [{"kind": "Pod", "namespace": "ml", "name": "p"}]
    (created, *_) = checks["class-exists"]["fix"]
    assert created["command"] == "kubectl apply -f -"
    assert "kind: RuntimeClass" in created["manifest"]


def test_the_codes_of_checks_are_words() -> None:
    """They are stable, and part of links."""
    names = [check.name for category in CATEGORIES for check in category.checks]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() and name.islower() for name in names)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("kubectl -n a get pods", "kubectl -n a get pods"),
        ("kubectl -n a delete pod b   (the controller creates another one)", "kubectl -n a delete pod b"),
        ("kubectl -n a delete pod b: the next pod is left alone", "kubectl -n a delete pod b"),
        ("kubectl describe node n; on it: nvidia-smi", "kubectl describe node n"),
        ("kubectl describe pod b; kubectl logs b --previous", "kubectl describe pod b; kubectl logs b --previous"),
        ("kubectl apply -f -   with this manifest:", "kubectl apply -f -"),
        ('kubectl patch x -p \'[{"op": "test"; }]\'', 'kubectl patch x -p \'[{"op": "test"; }]\''),
        (
            "sed 's#image: .*#image: i#; s#a#b#' f | kubectl apply -f -",
            "sed 's#image: .*#image: i#; s#a#b#' f | kubectl apply -f -",
        ),
        ("if n has a GPU: kubectl label node n a=b", ""),
        (
            "sed 's#a: .*#a: b, c#' f | kubectl apply -f -, then kubectl delete pod b",
            "sed 's#a: .*#a: b, c#' f | kubectl apply -f -",
        ),
        ("kubectl describe nodes,pods && kubectl get pods", "kubectl describe nodes,pods && kubectl get pods"),
        ("remove hostUsers: false from GPU pods", ""),
        ("gpu-injector mounted this file: install the driver's package", ""),
        ("kubectl -n a replace --force -f FILE   (FILE is the manifest of pod b)", ""),
        ("helm install x deploy/chart --set image.registry=REGISTRY", ""),
        ("kubectl -n a set env ds/b FILE_NAME=c", "kubectl -n a set env ds/b FILE_NAME=c"),
        ("", ""),
        ("kubectl logs 'unclosed", "kubectl logs"),
    ],
)
def test_the_command_of_a_line(line: str, command: str) -> None:
    """Without what is for people; a text for people has none."""
    assert command_of(line) == command
    shlex.split(command_of(line))


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("gpu-1: handler unknown", ["gpu-1"]),
        ("the driver profile of gpu-1 has a file; 10.0.0.7 (containerd 2.x), gpu-2.", ["gpu-1", "10.0.0.7", "gpu-2"]),
        ("gpu: not Ready", ["gpu"]),
        ("gpu offers nvidia.com/gpu: 0", ["gpu"]),
        ("the pod is for node gpu", ["gpu"]),
        ("Pod ml/pod on gpu: xid 79", ["ml/pod", "gpu"]),
        ("Node gpu on gpu: Xid", ["gpu"]),
        ('pod p has no runtime "nvidia" for a gpu of the 550 driver', []),
        ("none of 1 nodes offers a gpu, nvidia", []),
        ("DaemonSet ml/p does not select it", ["DaemonSet ml/p"]),
        ("ml/p carries no annotation", ["Pod ml/p", "DaemonSet ml/p"]),
    ],
)
def test_the_objects_in_a_sentence(sentence: str, names: list[str]) -> None:
    """A node may have a name that is a word, too; a pod may have the name of its controller."""
    nodes = ("gpu", "nvidia", "the", "pod", "none", "driver", "550", "gpu-1", "gpu-2", "10.0.0.7")
    objects = [{"kind": kind, "namespace": "ml", "name": "p"} for kind in ("Pod", "DaemonSet")]
    named = NamedObjects(nodes, [*objects, {"kind": "Pod", "namespace": "ml", "name": "pod"}])
    found = [
        f"{one['kind']} {one['namespace']}/{one['name']}" if "namespace" in one else one["name"]
        for one in named.of(sentence)
    ]
    assert found == [f"Pod {name}" if name == "ml/pod" else name for name in names]


def test_a_fix_of_several_lines() -> None:
    """Further lines are a file's content, more commands, or more text."""
    assert fixes(()) == []
    assert fixes(("write this:", "a: 1", "b: 2")) == [{"text": "write this:", "manifest": "a: 1\nb: 2\n"}]
    two = ("kubectl get pods", "kubectl get nodes")
    toml = ("configure it", "# /etc/x, afterwards:", "version = 3", "[a.b]", '  c = "d"', "then look")
    assert fixes(toml) == [{"text": "configure it", "manifest": "\n".join(toml[1:5]) + "\n"}, {"text": "then look"}]
    rights = ("You may not read nodes. Ask for one of these:", "  the ClusterRole x (Helm: y=true)")
    assert fixes(rights) == [{"text": line.strip()} for line in rights]
    assert fixes(two) == [{"text": line, "command": line} for line in two]


def test_a_decision_of_any_version_of_a_replica() -> None:
    """Replicas send sentences, and older ones no evidence; programs get the reason as the code."""
    record = {"reason": "handler-mixed", "warnings": ["gpu-injector: mixed"], "replica": HOME}
    said: dict[str, Any] = {"code": "handler-mixed", "message": "gpu-injector: mixed", "objects": []}
    assert to_json(record) == {**record, "warnings": [said], "evidence": []}


BEGIN, END = "<!-- note codes -->\n", "<!-- end of note codes -->\n"


def test_the_page_has_the_codes(update_golden: bool) -> None:  # noqa: FBT001
    """The table of docs/cli.md is generated from the code; docs/eject.md names those of its own."""
    page = DOCS / "cli.md"
    head, begin, rest = page.read_text().partition(BEGIN)
    assert begin
    text = f"{head}{begin}{note_codes_as_markdown()}{END}{rest.partition(END)[2]}"
    if update_golden:
        page.write_text(text)
    assert page.read_text() == text
    own = (DOCS / "eject.md").read_text()
    assert [code for code in (*OBSTACLES, "unknown") if f"`{code}`" not in own] == []
