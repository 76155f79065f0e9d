"""The end of ``why``: the next action, with real names, on the fake API server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from support.cluster_world import namespace, runtime_class
from support.fake_api import FakeApi

from webhook.__main__ import main
from webhook.commands.shared.evaluate import predict
from webhook.commands.shared.prediction import Situation
from webhook.commands.why.next_action import next_action
from webhook.names import DECISION_KEY, INJECT_KEY, REGISTRATION_PATH
from webhook.policy.model import Policy
from webhook.view.live_view import observe_plugins, utc_now
from webhook.view.plugin_projections import known_plugins
from webhook.view.projections import view_of

INSTALL = Path(__file__).parents[3] / "deploy/install.yaml"
GOLDEN = Path(__file__).parents[2] / "data/golden"
GPU = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
OPEN = {INJECT_KEY: "enabled"}
CLASS_PATH = "/apis/node.k8s.io/v1/runtimeclasses/nvidia"
REPLACE = "kubectl -n ml replace --force -f FILE"
RESTART = "kubectl -n ml rollout restart deployment/d"


def pod(**metadata: Any) -> dict[str, Any]:  # noqa: ANN401  metadata of any kind
    """Return the pod of the Deployment, created before the opt-in."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "d-5b", "uid": "u", "controller": True}
    labels = {"app": "d", "pod-template-hash": "5b"}
    own = {"name": "d-5b-x", "namespace": "ml", "labels": labels, "ownerReferences": [owner], **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": GPU}


def node(*handlers: str) -> dict[str, Any]:
    """Return a GPU node that reports its handlers."""
    status = {"allocatable": {"nvidia.com/gpu": "1"}, "runtimeHandlers": [{"name": name} for name in handlers]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-1"}, "status": status}


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve our registration, an opted-in namespace, and a Deployment whose pod has no annotation."""
    async with FakeApi() as api:
        api.put(runtime_class(), namespace("ml", **OPEN), pod())
        api.put(*(one for one in yaml.safe_load_all(INSTALL.read_text()) if one and "webhooks" in one))
        spec = {"selector": {"matchLabels": {"app": "d"}}, "template": {"metadata": {}, "spec": GPU}}
        metadata = {"name": "d", "namespace": "ml"}
        api.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
        yield api


async def next_of(fake: FakeApi, folder: Path, thing: str) -> list[str]:
    """Return the lines of the next action."""
    command = ["why", "--kubeconfig", fake.kubeconfig(folder), "-n", "ml", thing]
    result = await asyncio.to_thread(CliRunner().invoke, main, command)
    return [line.strip() for line in result.stdout.partition("What to do next?\n")[2].strip().splitlines()]


@pytest.mark.parametrize("thing", ["d-5b-x", "deploy/d"])
async def test_a_pod_older_than_the_opt_in_is_created_again(fake: FakeApi, tmp_path: Path, thing: str) -> None:
    """By its controller, for the pod and for the Deployment."""
    assert await next_of(fake, tmp_path, thing) == [RESTART]


@pytest.mark.parametrize(
    ("metadata", "lines"),
    [
        ({"annotations": {DECISION_KEY: "inject/runtime-class"}}, ["nothing"]),
        ({"annotations": {DECISION_KEY: "leave/handler-mixed"}}, [RESTART]),
        ({"ownerReferences": [{"kind": "Job", "name": "j", "controller": True}]}, [REPLACE]),
        ({"ownerReferences": []}, [REPLACE]),
        ({"labels": {INJECT_KEY: "disabled"}}, ["remove the label"]),
    ],
)
async def test_the_pod_decides_on_the_action(
    fake: FakeApi, tmp_path: Path, metadata: dict[str, Any], lines: list[str]
) -> None:
    """A patched pod needs nothing; a pod that was left alone can be patched today."""
    fake.put(pod(**metadata))
    found = await next_of(fake, tmp_path, "d-5b-x")
    assert [line.partition("   (")[0] for line in found] == lines


@pytest.mark.parametrize(
    ("labels", "lines"),
    [
        ({}, [f"kubectl label namespace ml {INJECT_KEY}=enabled", RESTART]),
        ({INJECT_KEY: "dry-run"}, [f"kubectl label namespace ml {INJECT_KEY}=enabled --overwrite"]),
        (
            {INJECT_KEY: "on"},
            [
                f'the value "on" of the label {INJECT_KEY} is unknown',
                f"kubectl label namespace ml {INJECT_KEY}=enabled --overwrite",
                RESTART,
            ],
        ),
    ],
)
async def test_the_namespace_is_opted_in_first(
    fake: FakeApi, tmp_path: Path, labels: dict[str, str], lines: list[str]
) -> None:
    """Then the pods are re-created."""
    fake.put(namespace("ml", **labels))
    assert await next_of(fake, tmp_path, "deploy/d") == lines


async def test_a_class_that_is_missing_alone_is_created(fake: FakeApi, tmp_path: Path) -> None:
    """Where every node reports the handler; otherwise the rule's advice is given."""
    fake.delete(CLASS_PATH)
    fake.put(node("runc", "nvidia"))
    lines = await next_of(fake, tmp_path, "deploy/d")
    assert "has the handler nvidia, and only the class is missing" in lines[0]
    assert lines[1:] == [
        "with Helm, set runtimeClass.create=true; or:",
        "kubectl apply -f -   with this manifest:",
        "apiVersion: node.k8s.io/v1",
        "kind: RuntimeClass",
        "metadata: {name: nvidia}",
        "handler: nvidia",
    ]
    fake.put(node("runc"))
    assert await next_of(fake, tmp_path, "deploy/d") == ["create it, or name another in the policy"]


def test_the_class_is_not_created_where_others_hand_out_gpus() -> None:
    """Although every node reports its handler: on one of them the plugin works without the class."""
    objects = next(yaml.safe_load_all((GOLDEN / "fallback-on-where-some-provide/view.yaml").read_text()))["items"]
    for item in objects:
        if item["kind"] == "Node":
            item["status"]["runtimeHandlers"] = [{"name": "nvidia"}]
    policy = Policy()
    view = view_of(objects, known_plugins(policy), policy.is_gpu_resource)
    observed = observe_plugins(policy.is_gpu_resource, utc_now)(view)
    (one,) = predict(pod(), Situation(policy, observed, "ml"))
    lines = list(next_action(one, (), called=True))
    assert lines[0] == "do not create the class for gpu-2: the GPUs there come from another provider"
    assert len(lines) == 2


async def test_what_is_missing_or_unread_comes_first(fake: FakeApi, tmp_path: Path) -> None:
    """Without a registration, installation; without the right to read, another user."""
    fake.fault("/api/v1/nodes", status=403)
    lines = await next_of(fake, tmp_path, "deploy/d")
    assert lines[0] == "You may not read nodes. Ask an administrator for one of these:"
    fake.fault("/api/v1/nodes", status=500)
    assert await next_of(fake, tmp_path, "deploy/d") == ["try again when these can be read: nodes"]
    fake.delete(REGISTRATION_PATH)
    install = "install gpu-injector: there is no registration, and gpu-injector doctor prints the command; then:"
    assert (await next_of(fake, tmp_path, "deploy/d"))[0] == install


async def test_after_the_registration_was_deleted_the_pods_come_next(fake: FakeApi, tmp_path: Path) -> None:
    """As after an installation: the reader is not sent back to what was said above."""
    fake.delete(REGISTRATION_PATH)
    install, *others = await next_of(fake, tmp_path, "deploy/d")
    assert (install.endswith("prints the command; then:"), others) == (True, [RESTART])
    fake.put(pod(annotations={DECISION_KEY: "inject/runtime-class"}))
    assert await next_of(fake, tmp_path, "deploy/d") == [install.removesuffix("; then:")]


async def test_a_pod_without_a_gpu_needs_nothing(fake: FakeApi, tmp_path: Path) -> None:
    """Whether its namespace is opted in or not."""
    cpu = {**pod(), "spec": {"containers": [{"name": "c"}]}}
    for labels in ({}, OPEN):
        fake.put(namespace("ml", **labels), cpu)
        assert await next_of(fake, tmp_path, "d-5b-x") == ["nothing: the pod requests no GPU"]
    fake.delete(REGISTRATION_PATH)
    assert await next_of(fake, tmp_path, "d-5b-x") == ["nothing: the pod requests no GPU"]
