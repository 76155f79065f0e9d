"""``preview`` and ``why`` for users with the roles ``view`` and ``edit`` of one namespace, on the fake API server."""

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
from webhook.commands.shared import try_pods
from webhook.names import DECISION_KEY, INJECT_KEY

GPU = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
FORBIDDEN = {"kind": "Status", "reason": "Forbidden", "message": "forbidden"}
# What the roles `view` and `edit` of the namespace ml do not cover.
OUTSIDE = (
    "/api/v1/nodes*",
    "/api/v1/namespaces",
    "/api/v1/pods",
    "/api/v1/events",
    "/apis/node.k8s.io*",
    "/apis/admissionregistration.k8s.io*",
    "/apis/nvidia.com*",
    "/apis/resource.k8s.io*",
    "/api/v1/namespaces/kube-system*",
    "/apis/apps/v1/namespaces/kube-system*",
    "/api/v1/namespaces/gpu-injector/*",
    "/apis/apps/v1/namespaces/gpu-injector/*",
)
PODS = "/api/v1/namespaces/ml/pods"
DOES = "by a server-side dry-run"


def pod(**metadata: Any) -> dict[str, Any]:  # noqa: ANN401  metadata of any kind
    """Return a GPU pod of the namespace."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ml", **metadata}, "spec": GPU}


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve a GPU pod to a user who may read the objects of its namespace alone."""
    async with FakeApi() as api:
        api.put(runtime_class(), namespace("ml", **{INJECT_KEY: "enabled"}), pod())
        api.fault("/apis", status=200, body={"kind": "APIGroupList", "groups": []})
        for path in OUTSIDE:
            api.fault(path, status=403, body=FORBIDDEN)
        yield api


def may_create(api: FakeApi, status: int = 201, body: Any = None, headers: dict[str, str] | None = None) -> None:  # noqa: ANN401  any object
    """Give the user the role ``edit``; the API server answers a creation so."""
    review = {"kind": "SelfSubjectAccessReview", "status": {"allowed": True}}
    api.fault(try_pods.REVIEWS_PATH, status=201, body=review)
    api.fault(PODS, method="POST", status=status, body=body, headers=headers or {})


def decided(word: str) -> dict[str, Any]:
    """Return the pod as the API server would create it."""
    return pod(annotations={DECISION_KEY: word})


async def run(api: FakeApi, folder: Path, *arguments: str) -> Result:
    """Run a command in a thread of its own, as it starts its own loop; standard input has the pod."""
    command = [*arguments, "-n", "ml", "--kubeconfig", api.kubeconfig(folder)]
    return await asyncio.to_thread(CliRunner().invoke, main, command, input=json.dumps(pod()))


COMMANDS = [("preview",), ("preview", "-f", "-"), ("preview", "-o", "json"), ("why", "p"), ("why", "p", "-o", "json")]


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_viewer_gets_unknown(fake: FakeApi, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Never the answer that the webhook would give before it has read anything; no pod is tried."""
    result = await run(fake, tmp_path, *command)
    assert (result.exit_code, "unknown" in result.stdout) == (3, True)
    assert "view-stale" not in result.output
    assert "→" not in result.output
    assert fake.count(path=PODS, method="POST") == 0
    if command[-1] != "json" or command[0] == "preview":
        assert "You may not read" in result.output
        assert "nodes" in result.output
        assert "gpu-injector-viewers" in result.output


@pytest.mark.parametrize(
    ("word", "code"), [("inject/runtime-class", 1), ("mount/handler-missing", 1), ("leave/cdi", 0)]
)
async def test_an_editor_gets_the_real_decision(fake: FakeApi, tmp_path: Path, word: str, code: int) -> None:
    """By a dry-run that stores nothing: the pod is a new one, without a name or our annotation."""
    may_create(fake, body=decided(word))
    result = await run(fake, tmp_path, "preview", "-f", "-")
    assert (result.exit_code, f"Pod ml/p: {word} ({DOES})" in result.stdout) == (code, True)
    (request,) = (one for one in fake.requests if (one.path, one.method) == (PODS, "POST"))
    assert request.query["dryRun"] == "All"
    sent = json.loads(request.body)
    assert (sent["metadata"]["generateName"], "name" in sent["metadata"]) == ("gpu-injector-preview-", False)
    assert fake.count(method="POST") == 2


async def test_why_shows_what_a_new_pod_would_get(fake: FakeApi, tmp_path: Path) -> None:
    """The answer also shows that the webhook is called, and is complete."""
    may_create(fake, body=decided("inject/runtime-class"))
    result = await run(fake, tmp_path, "why", "p")
    assert f"What would be decided today? inject/runtime-class ({DOES})" in result.stdout
    assert "Would the webhook be called? yes" in result.stdout
    assert result.exit_code == 0


async def test_a_pod_that_was_decided_is_not_tried(fake: FakeApi, tmp_path: Path) -> None:
    """Its patch is in its spec, so a new pod with it would get another decision."""
    fake.put(pod(annotations={DECISION_KEY: "inject/runtime-class"}))
    may_create(fake, body=decided("leave/author-chose"))
    result = await run(fake, tmp_path, "why", "p")
    assert (result.exit_code, fake.count(path=PODS, method="POST")) == (3, 0)


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_rejection_is_shown(fake: FakeApi, tmp_path: Path, command: tuple[str, ...]) -> None:
    """A quota or a policy: the verdict stays unknown."""
    message = 'pods "gpu-injector-preview-x" is forbidden: exceeded quota: gpus'
    may_create(fake, 403, {"kind": "Status", "reason": "Forbidden", "message": message})
    result = await run(fake, tmp_path, *command)
    assert (result.exit_code, "exceeded quota: gpus" in result.stdout) == (3, True)


@pytest.mark.parametrize(
    ("answer", "headers", "shown"),
    [
        (pod(), {}, "no answer of the webhook"),
        (pod(annotations={DECISION_KEY: "inject/of-the-future"}), {}, "inject/of-the-future"),
        (pod(), {"Warning": '299 - "gpu-injector: dry-run: would set it (runtime-class)"'}, "dry-run: would set it"),
    ],
)
async def test_an_answer_without_a_decision_stays_unknown(
    fake: FakeApi, tmp_path: Path, answer: dict[str, Any], headers: dict[str, str], shown: str
) -> None:
    """It is shown as it is."""
    may_create(fake, body=answer, headers=headers)
    result = await run(fake, tmp_path, "preview", "-f", "-")
    assert (result.exit_code, shown in result.stdout, "unknown" in result.stdout) == (3, True, True)


@pytest.mark.parametrize("output", ["patch", "yaml"])
async def test_patches_are_not_guessed(fake: FakeApi, tmp_path: Path, output: str) -> None:
    """A dry-run shows no patch, so these outputs send none."""
    may_create(fake, body=decided("inject/runtime-class"))
    result = await run(fake, tmp_path, "preview", "-f", "-", "-o", output)
    assert (result.exit_code, fake.count(path=PODS, method="POST")) == (3, 0)


async def test_the_cost_is_limited(fake: FakeApi, tmp_path: Path) -> None:
    """Pods that are alike are tried once, and only some of those that differ."""
    may_create(fake, body=decided("inject/runtime-class"))
    fake.put(*(pod(name=f"alike-{number}") for number in range(3)))
    fake.put(*(pod(name=f"other-{number}", labels={"n": str(number)}) for number in range(40)))
    result = await run(fake, tmp_path, "preview")
    assert fake.count(path=PODS, method="POST") == try_pods.TRIED_AT_MOST
    assert "Tried by a server-side dry-run: 20 of 41 pods" in result.stderr
    assert result.exit_code == 3
