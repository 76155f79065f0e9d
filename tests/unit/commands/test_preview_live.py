"""``preview`` of what runs in a cluster, and of manifests with a cluster in view, on the fake API server."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.cluster_world import namespace, runtime_class
from support.fake_api import FakeApi

from webhook.__main__ import main

GPU = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
CPU = {"containers": [{"name": "c"}]}
OPEN = {"gpu-injector.io/inject": "enabled"}
POD = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {json.dumps(GPU)}\n"


def thing(kind: str, name: str, spec: dict[str, Any], owner: str = "", **labels: str) -> dict[str, Any]:
    """Return an object of namespace ml; ``owner`` is the kind of its controller."""
    owners = [{"kind": owner, "name": "x", "controller": True, "apiVersion": "apps/v1"}] if owner else []
    version = "v1" if kind == "Pod" else "apps/v1"
    metadata = {"name": name, "namespace": "ml", "labels": labels, "ownerReferences": owners, "managedFields": [{}]}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": metadata,
        "spec": spec if kind == "Pod" else {"template": {"spec": spec}},
    }


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve a Deployment with its ReplicaSet and pod, pods of other makers, and one without a GPU."""
    async with FakeApi() as api:
        api.put(runtime_class(), namespace("ml", **OPEN), namespace("default"))
        api.put(thing("Deployment", "d", GPU, team="a"), thing("ReplicaSet", "d-1", GPU, "Deployment"))
        api.put(thing("Pod", "d-1-x", GPU, "ReplicaSet"), thing("Pod", "job-x", GPU, "PyTorchJob"))
        api.put(thing("Pod", "alone", GPU, team="a"), thing("Pod", "web", CPU))
        yield api


async def preview(fake: FakeApi, folder: Path, *arguments: str, text: str = "") -> Result:
    """Run the command in a thread of its own, as it brings its own loop."""
    command = ["preview", "--kubeconfig", fake.kubeconfig(folder), *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, command, input=text)


def names(result: Result) -> list[str]:
    """Return kind and name of each row."""
    return [f"{row['object']['kind']} {row['object']['name']}" for row in json.loads(result.stdout)["verdicts"]]


async def test_what_runs_is_shown_once(fake: FakeApi, tmp_path: Path) -> None:
    """Controllers for what they keep, pods without a listed controller; what requests no GPU is left out."""
    result = await preview(fake, tmp_path, "-A", "-o", "json")
    assert (names(result), result.exit_code) == (["Deployment d", "Pod alone", "Pod job-x"], 1)
    assert {row["verdict"] for row in json.loads(result.stdout)["verdicts"]} == {"inject"}
    assert "managedFields" not in result.stdout


async def test_labels_and_namespace_choose(fake: FakeApi, tmp_path: Path) -> None:
    """-l as kubectl takes it; without -n it is the context's namespace, default here."""
    assert names(await preview(fake, tmp_path, "-n", "ml", "-l", "team=a", "-o", "json")) == [
        "Deployment d",
        "Pod alone",
    ]
    result = await preview(fake, tmp_path, "-o", "json")
    assert (json.loads(result.stdout), result.exit_code) == ({"version": 2, "verdicts": []}, 0)
    assert "No GPU workloads in namespace default." in result.stderr


async def test_the_lists_are_paged(fake: FakeApi, tmp_path: Path) -> None:
    """Thousands of pods come in pages of 500."""
    fake.put(*(thing("Pod", f"p-{number}", CPU) for number in range(600)))
    result = await preview(fake, tmp_path, "-n", "ml", "-o", "table")
    assert fake.count(path="/api/v1/namespaces/ml/pods") == 2
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:4]] == [
        ["Deployment", "ml/d"],
        ["Pod", "ml/alone"],
        ["Pod", "ml/job-x"],
    ]


async def test_what_may_not_be_looked_at_is_told(fake: FakeApi, tmp_path: Path) -> None:
    """On standard error and by the exit code; verdicts that depend on it are unknown."""
    fake.fault("/apis/apps/v1/namespaces/ml/statefulsets", status=403)
    fake.fault("/api/v1/nodes", status=403)
    fake.fault("/api/v1/namespaces", status=403)
    result = await preview(fake, tmp_path, "-n", "ml", "-o", "json")
    assert "Could not read: statefulsets (403" in result.stderr
    assert "Could not read: nodes (403" in result.stderr
    assert names(result) == ["Deployment d", "Pod alone", "Pod job-x"]
    rows = json.loads(result.stdout)["verdicts"]
    assert {(row["verdict"], row["reason"]) for row in rows} == {("unknown", None)}
    assert {row["unread"]["nodes"] for row in rows} == {"403 Fault403"}
    assert result.exit_code == 3


async def test_a_manifest_meets_the_cluster(fake: FakeApi, tmp_path: Path) -> None:
    """Its namespace is -n's; what the file declares beside it is there, too."""
    result = await preview(fake, tmp_path, "-f", "-", "-n", "ml", "-o", "json", text=POD)
    (row,) = json.loads(result.stdout)["verdicts"]
    assert (row["object"]["namespace"], row["verdict"]) == ("ml", "inject")
    declared = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: new, labels: {json.dumps(OPEN)}}}\n---\n{POD}"
    result = await preview(fake, tmp_path, "-f", "-", "-n", "new", "-o", "json", text=declared)
    assert json.loads(result.stdout)["verdicts"][0]["verdict"] == "inject"


async def test_a_view_file_joins_the_cluster(fake: FakeApi, tmp_path: Path) -> None:
    """With both, an object of the file counts before the cluster's of that name."""
    view = tmp_path / "view.yaml"
    view.write_text(
        'apiVersion: v1\nkind: Namespace\nmetadata: {name: ml, labels: {gpu-injector.io/inject: "dry-run"}}\n'
    )
    result = await preview(fake, tmp_path, "-f", "-", "--view", str(view), "-n", "ml", "-o", "json", text=POD)
    (row,) = json.loads(result.stdout)["verdicts"]
    assert (row["verdict"], row["dryRun"]) == ("inject", True)


def put_policy(fake: FakeApi, installed_in: str) -> None:
    """Put the ConfigMap that the chart writes, with a policy that is not the default."""
    metadata = {"name": "gpu-injector", "namespace": installed_in}
    data = {"policy.yaml": "dryRun: true\n"}
    fake.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


async def test_the_policy_is_that_of_the_cluster(fake: FakeApi, tmp_path: Path) -> None:
    """The ConfigMap that the chart writes; a file takes its place, and the output names the policy that is used."""
    put_policy(fake, "gpu-injector")
    result = await preview(fake, tmp_path, "-f", "-", "-n", "ml", "-o", "json", text=POD)
    assert json.loads(result.stdout)["verdicts"][0]["dryRun"] is True
    assert "Policy: that of the cluster (ConfigMap gpu-injector/gpu-injector)" in result.stderr
    (tmp_path / "own.yaml").write_text("")
    own = await preview(
        fake, tmp_path, "-f", "-", "-n", "ml", "-o", "json", "--policy", str(tmp_path / "own.yaml"), text=POD
    )
    assert (json.loads(own.stdout)["verdicts"][0]["dryRun"], "Policy:" in own.stderr) == (False, False)


async def test_an_installation_is_found_in_any_namespace(fake: FakeApi, tmp_path: Path) -> None:
    """Its registration says where its Service is; the policy is beside that."""
    service = {"name": "gpu-injector", "namespace": "gpu-system"}
    registration = {"webhooks": [{"name": "x", "clientConfig": {"service": service}}]}
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    fake.put(kind | {"metadata": {"name": "gpu-injector"}} | registration)
    put_policy(fake, "gpu-system")
    result = await preview(fake, tmp_path, "-f", "-", "-n", "ml", "-o", "json", text=POD)
    assert json.loads(result.stdout)["verdicts"][0]["dryRun"] is True
    assert "Policy: that of the cluster (ConfigMap gpu-system/gpu-injector)" in result.stderr


async def test_without_the_right_to_read_the_policy_the_verdict_is_unknown(fake: FakeApi, tmp_path: Path) -> None:
    """The webhook's policy may be another than the default one."""
    fake.fault("/api/v1/namespaces/gpu-injector/configmaps/gpu-injector", status=403)
    result = await preview(fake, tmp_path, "-f", "-", "-n", "ml", "-o", "json", text=POD)
    assert "Policy: the default one (could not read ConfigMap gpu-injector/gpu-injector: 403" in result.stderr
    (row,) = json.loads(result.stdout)["verdicts"]
    assert (row["verdict"], list(row["unread"]), result.exit_code) == ("unknown", ["policy"], 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-f", "-", "-A"], "-A and -l select"),
        (["-A", "-n", "ml"], "-A and -n cannot be used together"),
        (["-f", "-", "--explain", "-o", "yaml"], "--explain goes with"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[str], message: str) -> None:
    """As a fault of usage, exit code 2."""
    result = CliRunner().invoke(main, ["preview", *arguments], input=POD)
    assert (result.exit_code, message in result.stderr) == (2, True)


async def test_injected_pods_are_counted(fake: FakeApi, tmp_path: Path) -> None:
    """Per namespace that is opted in, also pods that a controller keeps; -l would count a part."""
    patched = thing("Pod", "patched", GPU, "ReplicaSet")
    patched["metadata"]["annotations"] = {"gpu-injector.io/decision": "inject/runtime-class"}
    fake.put(patched)
    line = "Namespace ml: 1 of 4 GPU pods injected; the webhook was not called for 3, or failed: alone, d-1-x, job-x\n"
    result = await preview(fake, tmp_path, "-A")
    assert line in result.stdout
    result = await preview(fake, tmp_path, "-A", "-o", "json")
    assert (line in result.stderr, line in result.stdout) == (True, False)
    assert "injected" not in (await preview(fake, tmp_path, "-n", "ml", "-l", "team=a")).output
    fake.fault("/api/v1/pods", status=403)
    assert "injected" not in (await preview(fake, tmp_path, "-A")).output
