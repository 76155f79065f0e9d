"""``eject``: patches after which the webhook is not missed, and a note for everything without a patch."""

import asyncio
import copy
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from support.cluster_world import namespace, runtime_class
from support.clusters import BARE_CLUSTERS, clusters, placed_pods
from support.fake_api import FakeApi
from support.golden_cases import GOLDEN as CASES_FOLDER
from support.golden_cases import pod_file, view_file
from support.plugin_world import daemon_sets, node, view

from webhook.__main__ import main
from webhook.commands.eject.plan import eject as ejected
from webhook.commands.shared.evaluate import predict
from webhook.commands.shared.prediction import Situation, apply
from webhook.decide.decision import RequestInfo, Verdict
from webhook.decide.workload.decide import decide
from webhook.kube.values import at
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

TESTS = Path(__file__).parents[2]
GOLDEN = TESTS / "data" / "eject"
STACKS = ("-f", str(TESTS / "data" / "preview" / "stack.yaml"), "-f", str(GOLDEN / "stack.yaml"))
VIEW = ("--view", str(GOLDEN / "view.yaml"))
FORMS = {"kustomize": "kustomization.yaml", "kubectl": "eject.sh", "json": "eject.json"}
GPU = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
POLICIES = st.builds(
    Policy,
    driver_capabilities=st.sampled_from(["", "compute"]),
    add_toleration=st.booleans(),
    devices=st.sampled_from(["plugin", "privileged"]),
)


def eject(*arguments: str, text: str = "") -> Result:
    """Run the command over both stacks, or over a text."""
    files = ("-f", "-") if text else STACKS
    return CliRunner().invoke(main, ["eject", *files, *VIEW, *arguments], input=text)


def preview(text: str) -> Result:
    """Run preview over a text."""
    return CliRunner().invoke(main, ["preview", "-f", "-", *VIEW], input=text)


@pytest.mark.parametrize("form", FORMS)
def test_the_output_is_the_golden_one(form: str, update_golden: bool) -> None:  # noqa: FBT001
    """Every kind of object, and every obstacle, in each form."""
    result = eject("-o", form)
    golden = GOLDEN / FORMS[form]
    if update_golden:
        golden.write_text(result.stdout)
    assert result.stdout == golden.read_text()
    assert result.exit_code == 1


@pytest.mark.parametrize("form", ["kustomize"])
def test_mounted_libraries_are_written_down(form: str, update_golden: bool) -> None:  # noqa: FBT001
    """Where no RuntimeClass works: the volumes of the pod, and the mounts of the container that requests a GPU."""
    case = CASES_FOLDER / "mount"
    result = CliRunner().invoke(main, ["eject", "-f", str(pod_file(case)), "--view", str(view_file(case)), "-o", form])
    golden = GOLDEN / f"mount.{FORMS[form]}"
    if update_golden:
        golden.write_text(result.stdout)
    assert result.stdout == golden.read_text()
    assert result.exit_code == 1


def test_with_the_patches_preview_finds_nothing_to_change() -> None:
    """Of what was patched; the others were told in notes."""
    text = (GOLDEN / "stack.yaml").read_text()
    items = {item["metadata"].get("name"): item for item in yaml.safe_load_all(text)}
    patches = json.loads(eject("-o", "json", text=text).stdout)["patches"]
    assert len(patches) == 6
    for patch in patches:
        patched = apply(items[patch["object"]["name"]], patch["operations"])
        assert preview(json.dumps(patched)).exit_code == 0, patch["summary"]


def test_the_script_is_one_that_a_shell_reads_as_it_was_meant(tmp_path: Path) -> None:
    """A name in an owner reference is any text of a pod's author, and must not become a command."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\nprintf "%s\\n" "$4" "$5" "$8" >> calls\n')
    kubectl.chmod(0o755)
    done = subprocess.run(
        [shutil.which("sh") or "sh", "-eu"],
        input=(GOLDEN / "eject.sh").read_text() + "echo reached the end\n",
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "reached the end\n"
    calls = (tmp_path / "calls").read_text().splitlines()
    made = json.loads((GOLDEN / "eject.json").read_text())["patches"]
    lasting = [patch for patch in made if patch["object"]["name"] != "once"]
    assert [(name, json.loads(patch)) for name, patch in zip(calls[1::3], calls[2::3], strict=True)] == [
        (patch["object"]["name"], patch["operations"]) for patch in lasting
    ]


def test_a_folder_holds_a_file_for_each_patch(tmp_path: Path) -> None:
    """The same patches as on standard output, and an earlier run's are written over."""
    folder = tmp_path / "eject"
    for _ in range(2):
        assert eject("--output-dir", str(folder)).exit_code == 1
    component = yaml.safe_load((folder / "kustomization.yaml").read_text())
    inline = yaml.safe_load((GOLDEN / "kustomization.yaml").read_text())
    assert [one["target"] for one in component["patches"]] == [one["target"] for one in inline["patches"]]
    patches = [yaml.safe_load((folder / one["path"]).read_text()) for one in component["patches"]]
    assert patches == [yaml.safe_load(one["patch"]) for one in inline["patches"]]


def test_foreign_files_are_not_overwritten(tmp_path: Path) -> None:
    """A kustomization of the user's own stays."""
    own = tmp_path / "kustomization.yaml"
    own.write_text("resources: []\n")
    result = eject("--output-dir", str(tmp_path))
    assert (result.exit_code, own.read_text()) == (2, "resources: []\n")
    assert "`gpu-injector eject` did not write it" in result.stderr


def test_where_there_is_nothing_to_patch_the_component_is_empty() -> None:
    """So that a pipeline may run it always."""
    result = eject(text='{"kind": "Service", "metadata": {"name": "s"}}')
    assert (yaml.safe_load(result.stdout)["patches"], result.exit_code) == ([], 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["-o", "json", "--output-dir", "x"], "--output-dir goes with -o kustomize"), (["-A"], "-A and -l select")],
)
def test_what_does_not_go_together_is_refused(arguments: list[str], message: str) -> None:
    """As a fault of usage, exit code 2."""
    result = eject(*arguments)
    assert (result.exit_code, message in result.stderr) == (2, True)


SHAPES = st.sampled_from(
    [
        ("apps/v1", "Deployment", ("spec", "template")),
        ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template")),
        ("example.com/v1", "Train", ("spec", "roles", "a/b~c", "template")),
        ("v1", "Pod", ()),
    ]
)


def wrapped(pod: dict[str, Any], version: str, kind: str, place: tuple[str, ...]) -> dict[str, Any]:
    """Return an object with the pod at that place; of a custom kind with a second role that is like it."""
    content: dict[str, Any] = {"metadata": pod["metadata"], "spec": pod["spec"]}
    for word in reversed(place):
        content = {word: content, **({"second": copy.deepcopy(content)} if word == "a/b~c" else {})}
    return {"apiVersion": version, "kind": kind, **content, "metadata": {"name": "x", "namespace": "ml"}}


def within(item: dict[str, Any], place: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the pods' specs of an object that was made so."""
    if not place:
        return [item["spec"]]
    word, *rest = place
    found = within(item[word], tuple(rest))
    return found + (within(item["second"], tuple(rest)) if word == "a/b~c" else [])


@given(placed_pods(), st.one_of(clusters(), BARE_CLUSTERS), POLICIES, SHAPES)
def test_without_the_webhook_pods_get_what_it_would_have_given_them(
    pod: dict[str, Any], view: ClusterView, policy: Policy, shape: tuple[str, str, tuple[str, ...]]
) -> None:
    """A pod made from the patched object is, spec for spec, the one that the webhook makes; nothing is left to do."""
    situation, item = Situation(policy, view, "ml"), wrapped(pod, *shape)
    ejections, _ = ejected(predict(item, situation))
    patched = item
    for one in ejections:
        patched = apply(patched, one.operations)
    admitted = decide(pod, RequestInfo("ml"), policy, view)
    leaves = admitted.dry_run or admitted.verdict is Verdict.LEAVE
    wanted = pod if leaves else apply(pod, admitted.operations)
    assert all(spec == wanted["spec"] for spec in within(patched, shape[2]))
    assert admitted.dry_run or not any(one.would_change for one in predict(patched, situation))


NODES = st.lists(
    st.sampled_from([node("gpu-1"), node("gpu-2"), node("new-1", handlers=["nvidia"]), node("cpu-1", labels={})]),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one["metadata"]["name"],
)


@given(daemon_sets(), NODES)
def test_without_the_webhook_a_plugin_gets_its_library_all_the_same(item: dict[str, Any], nodes: list[Any]) -> None:
    """On each of its nodes the pod's spec is the one that the webhook makes; where they differ a note says so."""
    classes = runtime_class()
    situation = Situation(Policy(), view(item, classes, namespace("kube-system"), *nodes), "kube-system")
    found = list(predict(item, situation))
    ejections, notes = ejected(found)
    wanted = any(one.would_change for one in found)
    assert (len(ejections), len(notes)) == ((int(wanted), 0) if len(found) == 1 else (0, int(wanted)))
    for one in ejections:
        (verdict,), patched = one.verdicts, apply(item, one.operations)
        admitted = apply(verdict.question.pod, verdict.question.decide().operations)
        affinity = admitted["spec"]["affinity"]
        assert {**patched["spec"]["template"]["spec"], "affinity": affinity} == admitted["spec"]
        assert not any(again.would_change for again in predict(patched, situation))


def test_a_patch_fails_on_another_container() -> None:
    """Sources whose containers stand in another order must not have the wrong one patched."""
    pod = {"containers": [{"name": "a"}, {"name": "b", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}
    item = {"kind": "Pod", "metadata": {"name": "x", "namespace": "ml"}, "spec": pod}
    made = json.loads(eject("-o", "json", text=json.dumps(item)).stdout)
    tests = [op for op in made["patches"][0]["operations"] if op["op"] == "test"]
    assert tests == [{"op": "test", "path": at("", "spec", "containers", 0, "name"), "value": "a"}]


PARENT = {"apiVersion": "example.com/v1", "kind": "Experiment", "controller": True, "name": "trial"}
JOB = {
    "apiVersion": "kubeflow.org/v1",
    "kind": "PyTorchJob",
    "metadata": {"name": "ddp", "namespace": "ml", "ownerReferences": [PARENT]},
    "spec": {"roles": {"worker": {"template": {"spec": GPU}}}},
}
OWNER = {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "controller": True, "name": "ddp"}


def owned(name: str) -> dict[str, Any]:
    """Return a pod that the job made."""
    metadata = {"name": name, "namespace": "ml", "ownerReferences": [OWNER]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": GPU}


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve two pods of one job, whose kind the API server's discovery names, and which something else keeps."""
    async with FakeApi() as api:
        api.put(runtime_class(), namespace("ml", **{"gpu-injector.io/inject": "enabled"}))
        api.put(JOB, owned("ddp-0"), owned("ddp-1"))
        kinds = [
            {"name": "pytorchjobs/status", "kind": "PyTorchJob", "namespaced": True},
            {"name": "pytorchjobs", "kind": "PyTorchJob", "namespaced": True},
        ]
        api.fault("/apis/kubeflow.org/v1", status=200, body={"kind": "APIResourceList", "resources": kinds})
        yield api


async def live(fake: FakeApi, folder: Path) -> Result:
    """Run the command in a thread of its own, as it brings its own loop."""
    command = ["eject", "--kubeconfig", fake.kubeconfig(folder), "-A", "-o", "json"]
    return await asyncio.to_thread(CliRunner().invoke, main, command)


async def test_pods_of_an_unknown_kind_lead_to_it(fake: FakeApi, tmp_path: Path) -> None:
    """It is patched once, and asked for once; what is above it cannot be read, and a note says so."""
    result = await live(fake, tmp_path)
    made = json.loads(result.stdout)
    assert ([one["summary"] for one in made["patches"]], made["notes"]) == (
        ["PyTorchJob ml/ddp: inject/runtime-class"],
        [],
    )
    assert fake.count(path="/apis/kubeflow.org/v1/namespaces/ml/pytorchjobs/ddp") == 1
    assert "Not found: Experiment ml/trial" in result.stderr


async def test_without_the_right_to_read_it_the_pods_are_named(fake: FakeApi, tmp_path: Path) -> None:
    """A person has to change them, and the result says that it is incomplete."""
    fake.fault("/apis/kubeflow.org/v1/namespaces/ml/pytorchjobs/ddp", status=403)
    result = await live(fake, tmp_path)
    made = json.loads(result.stdout)
    assert (made["patches"], result.exit_code) == ([], 3)
    assert [note["message"].partition(":")[0] for note in made["notes"]] == ["Pod ml/ddp-0", "Pod ml/ddp-1"]
    assert {note["code"] for note in made["notes"]} == {"running-pod"}
    assert "PyTorchJob ddp creates it: add runtimeClassName: nvidia there" in made["notes"][0]["message"]
    assert made["unread"] == {"PyTorchJob ml/ddp": "403 Fault403"}
    assert "Could not read: PyTorchJob ml/ddp (403" in result.stderr
