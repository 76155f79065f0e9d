"""What could not be read is never "nothing to do": every command that reads a cluster, against every failure."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.cluster_world import namespace, runtime_class
from support.fake_api import FakeApi

from webhook.__main__ import main
from webhook.kube_client import exec_plugin

V1 = "client.authentication.k8s.io/v1"
TOKEN = "t0ken-value"  # noqa: S105 - the canary
GPU = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ml"}, "spec": GPU}
# A node with a GPU, so that `verify` has something to prove.
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "gpu-node"},
    "status": {"allocatable": {"nvidia.com/gpu": "1"}},
}
COMMANDS = {
    "preview -A": ["preview", "-A"],
    "preview -n": ["preview", "-n", "ml"],
    "preview -f": ["preview", "-f", "-"],
    "preview -A -o json": ["preview", "-A", "-o", "json"],
    "preview -f -o yaml": ["preview", "-f", "-", "-o", "yaml"],
    "eject -A": ["eject", "-A"],
    "eject -n": ["eject", "-n", "ml"],
    "eject -f": ["eject", "-f", "-"],
    "eject -o kubectl": ["eject", "-A", "-o", "kubectl"],
    "why": ["why", "pod/p", "-n", "ml"],
    "why, another kind": ["why", "rayclusters.ray.io/r", "-n", "ml"],
    "doctor": ["doctor"],
    "verify": ["verify"],
    "verify --server-side": ["verify", "--server-side", "-n", "ml", "--timeout", "0"],
    "decisions": ["decisions"],
    "decisions --follow": ["decisions", "--follow"],
    "decisions --web": ["decisions", "--web"],
    "certs show": ["certs", "show"],
    "certs rotate": ["certs", "rotate"],
    "view": ["view"],
    "collect": ["collect", "-f", "/dev/null"],
}
LOGGED_IN_NEVER = ["verify", "--server-side", "-n", "ml", "--timeout", "3600"]


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve an opted-in namespace with a GPU pod, a GPU node, and the API groups."""
    async with FakeApi() as api:
        api.put(runtime_class(), namespace("ml", **{"gpu-injector.io/inject": "enabled"}), POD, NODE)
        api.fault("/apis", status=200, body={"kind": "APIGroupList", "groups": []})
        yield api


async def run(kubeconfig: str, command: list[str]) -> Result:
    """Run a command in a thread of its own, as it brings its own loop; standard input has the GPU pod."""
    arguments = [*command, "--kubeconfig", kubeconfig]
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, input=json.dumps(POD))


def plugin(code: str, **more: object) -> dict[str, Any]:
    """Return a kubeconfig's user with an exec plugin."""
    command = {"command": sys.executable, "args": ["-c", code], "interactiveMode": "Never"}
    return {"exec": {"apiVersion": V1, **command, **more}}


def ended(result: Result) -> tuple[int, str, bool]:
    """Return the exit code, what was printed as an answer, and whether a traceback or a log line was."""
    noise = "Traceback" in result.output or "ERROR:root" in result.output
    return result.exit_code, result.stdout, noise


@pytest.mark.parametrize("command", [*COMMANDS.values(), LOGGED_IN_NEVER], ids=[*COMMANDS, "verify for an hour"])
async def test_a_failed_login_ends_every_command(fake: FakeApi, tmp_path: Path, command: list[str]) -> None:
    """401: exit code 2, at once, with kubectl's words."""
    fake.require_token("another")
    result = await run(fake.kubeconfig(tmp_path, token=TOKEN), command)
    assert ended(result) == (2, "", False)
    assert "error: You must be logged in to the server (Unauthorized)\n" in result.stderr
    assert TOKEN not in result.output


PLUGINS = {
    "missing": (
        {"exec": {"apiVersion": V1, "command": "no-such-plugin", "installHint": "Install it from example.com."}},
        ("exec: executable no-such-plugin not found", "Install it from example.com."),
    ),
    "failing": (plugin(f"import sys; print('{TOKEN}'); sys.exit(3)"), ("failed with exit code 3",)),
    "hanging": (plugin("import time; time.sleep(3600)"), ("did not answer within 0.2 seconds",)),
    "invalid output": (plugin(f"print('{TOKEN}')"), ("decoding stdout: it is no JSON object",)),
    "no output": (plugin("pass"), ("decoding stdout: it is no JSON object",)),
    "no version": ({"exec": {"command": "x"}}, ("invalid apiVersion",)),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(("user", "words"), PLUGINS.values(), ids=PLUGINS)
async def test_a_failed_exec_plugin_ends_every_command(  # noqa: PLR0913, PLR0917 - a fixture each
    fake: FakeApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    user: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    """Exit code 2, kubectl's words, the plugin's hint; no request is ever sent without a login."""
    if "sleep" in str(user):  # only this one needs the short limit: a busy machine starts Python slowly
        monkeypatch.setattr(exec_plugin, "PLUGIN_SECONDS", 0.2)
    result = await run(fake.kubeconfig(tmp_path, **user), command)
    assert ended(result) == (2, "", False)
    assert result.stderr.startswith("error: getting credentials: exec: ")
    assert [word for word in words if word not in result.stderr] == []
    assert TOKEN not in result.output
    assert fake.requests == []


def rename_user(path: Path) -> None:
    """Give the kubeconfig's user another name than the one that the context names."""
    config = json.loads(path.read_text())
    config["users"][0]["name"] = "another"
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
async def test_a_user_without_credentials_is_not_anonymous(fake: FakeApi, tmp_path: Path, command: list[str]) -> None:
    """A context that names a user who does not exist, or one whose token is empty."""
    kubeconfig = fake.kubeconfig(tmp_path, token="")
    result = await run(kubeconfig, command)
    assert ended(result) == (2, "", False)
    rename_user(Path(kubeconfig))
    result = await run(kubeconfig, command)
    assert ended(result) == (2, "", False)
    assert "tester" in result.stderr
    assert fake.requests == []


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
async def test_no_answer_ends_every_command(tmp_path: Path, command: list[str]) -> None:
    """Connection refused: exit code 2."""
    async with FakeApi() as gone:
        kubeconfig = gone.kubeconfig(tmp_path)
    result = await run(kubeconfig, command)
    assert ended(result) == (2, "", False)
    assert "did not answer" in result.stderr


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("status", [403, 500, 503])
async def test_nothing_readable_is_unknown(fake: FakeApi, tmp_path: Path, command: list[str], status: int) -> None:
    """Exit code 3, and what could not be read; never an empty answer with 0.

    A GPU pod that the API server refuses with a 500 is a failure: so it answers where a webhook fails.
    """
    fake.fault("/*", status=status)
    result = await run(fake.kubeconfig(tmp_path), command)
    is_failure = "--server-side" in command and status >= 500
    assert (result.exit_code, ended(result)[2]) == (1 if is_failure else 3, False)
    assert result.stderr + result.stdout


WORKLOADS = (
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/apps/v1/replicasets",
    "/apis/batch/v1/cronjobs",
    "/apis/batch/v1/jobs",
    "/api/v1/replicationcontrollers",
    "/api/v1/pods",
)
POLICY = "/api/v1/namespaces/gpu-injector/configmaps/gpu-injector"
FACTS = (
    "/apis/node.k8s.io/v1/runtimeclasses*",
    "/api/v1/namespaces",
    "/api/v1/nodes",
    "/api/v1/namespaces/kube-system/pods",
    "/apis/apps/v1/namespaces/kube-system/daemonsets",
    "/apis/nvidia.com/v1/clusterpolicies",
    "/apis/resource.k8s.io/v1/deviceclasses",
    POLICY,
)


@pytest.mark.parametrize("path", [*WORKLOADS, *FACTS])
@pytest.mark.parametrize("command", ["preview", "eject"])
async def test_each_kind_that_is_missing_makes_the_answer_incomplete(
    fake: FakeApi, tmp_path: Path, command: str, path: str
) -> None:
    """A kind of workload hides pods; a kind of fact hides what is decided about them."""
    fake.fault(path, status=403, body={"kind": "Status", "reason": "Forbidden"})
    result = await run(fake.kubeconfig(tmp_path), [command, "-A"])
    assert result.exit_code == 3
    assert "403 Forbidden" in result.stderr


async def test_what_the_answer_does_not_depend_on_may_be_missing(fake: FakeApi, tmp_path: Path) -> None:
    """API groups count for the fallback alone."""
    fake.fault("/apis", status=403)
    result = await run(fake.kubeconfig(tmp_path), ["preview", "-A"])
    assert (result.exit_code, "inject/runtime-class" in result.stdout) == (1, True)


async def test_a_file_may_say_what_the_cluster_does_not(fake: FakeApi, tmp_path: Path) -> None:
    """--view and --policy take the place of what could not be read."""
    fake.fault("/api/v1/nodes", status=403)
    fake.fault(POLICY, status=403)
    (tmp_path / "view.yaml").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [NODE]}))
    (tmp_path / "policy.yaml").write_text("runtimeClass: nvidia\n")
    files = ["--view", str(tmp_path / "view.yaml"), "--policy", str(tmp_path / "policy.yaml")]
    result = await run(fake.kubeconfig(tmp_path), ["preview", "-f", "-", *files])
    assert result.exit_code == 1, result.output


@pytest.mark.parametrize("output", ["table", "diff", "patch", "yaml", "json"])
async def test_preview_shows_an_unknown_verdict(fake: FakeApi, tmp_path: Path, output: str) -> None:
    """With what could not be read, and without a patch."""
    fake.fault("/api/v1/nodes", status=403)
    result = await run(fake.kubeconfig(tmp_path), ["preview", "-f", "-", "-o", output])
    assert result.exit_code == 3
    assert "Could not read: nodes (403" in result.stderr
    assert "runtimeClassName" not in result.stdout
    shown = {"table": "unknown (could not read nodes", "diff": "unknown (could not read nodes", "json": '"unknown"'}
    assert shown.get(output, "") in result.stdout


@pytest.mark.parametrize(
    ("output", "mark"),
    [
        ("kustomize", "# INCOMPLETE: patches may be missing"),
        ("kubectl", "echo 'INCOMPLETE"),
        ("json", '"deployments": "403 Fault403"'),
    ],
)
async def test_eject_never_shows_a_part_as_the_whole(fake: FakeApi, tmp_path: Path, output: str, mark: str) -> None:
    """Each form says that it is incomplete, and what is missing."""
    fake.fault("/apis/apps/v1/deployments", status=403)
    result = await run(fake.kubeconfig(tmp_path), ["eject", "-A", "-o", output])
    assert (result.exit_code, mark in result.stdout) == (3, True)
    assert "INCOMPLETE" in result.stderr
    result = await run(fake.kubeconfig(tmp_path), ["eject", "-A", "--output-dir", str(tmp_path / "out")])
    written = (tmp_path / "out" / "kustomization.yaml").read_text()
    assert (result.exit_code, "INCOMPLETE" in written, "deployments (403" in written) == (3, True, True)


async def test_an_unknown_verdict_is_no_patch_but_a_note(fake: FakeApi, tmp_path: Path) -> None:
    """Nothing is known about the pod, so its author must know that."""
    fake.fault("/api/v1/nodes", status=403)
    result = await run(fake.kubeconfig(tmp_path), ["eject", "-A", "-o", "json"])
    made = json.loads(result.stdout)
    said = [(note["code"], note["message"]) for note in made["notes"]]
    assert (made["patches"], said) == ([], [("unknown", "Pod ml/p: unknown: could not read nodes")])
    assert (made["unread"], result.exit_code) == ({"nodes": "403 Fault403"}, 3)


async def test_why_names_what_it_could_not_read(fake: FakeApi, tmp_path: Path) -> None:
    """The verdict is unknown, and so is whether the webhook would be called."""
    fake.fault("/api/v1/nodes", status=403)
    result = await run(fake.kubeconfig(tmp_path), ["why", "pod/p", "-n", "ml"])
    assert result.exit_code == 3
    assert "unknown (could not read nodes" in result.stdout
    assert "could not read nodes: 403" in result.stdout


async def test_a_kind_that_an_unreadable_api_may_have_is_unknown(fake: FakeApi, tmp_path: Path) -> None:
    """It may be one of an aggregated API that is away."""
    group = {"name": "ray.io", "preferredVersion": {"groupVersion": "ray.io/v1"}}
    fake.fault("/apis", status=200, body={"kind": "APIGroupList", "groups": [group]})
    fake.fault("/apis/ray.io/v1", status=503)
    result = await run(fake.kubeconfig(tmp_path), ["why", "rayclusters/r", "-n", "ml"])
    assert (result.exit_code, "ray.io/v1 (503" in result.stderr) == (3, True)


@pytest.mark.parametrize("command", ["preview", "eject"])
@pytest.mark.parametrize("text", ["", "\n", "---\n", "# nothing was rendered\n", "---\n# nothing\n---\n"])
async def test_empty_input_is_an_error(fake: FakeApi, tmp_path: Path, command: str, text: str) -> None:
    """A pipe whose first part failed is empty."""
    arguments = [command, "-f", "-", "--kubeconfig", fake.kubeconfig(tmp_path)]
    result = await asyncio.to_thread(CliRunner().invoke, main, arguments, input=text)
    assert ended(result) == (2, "", False)
    assert "no Kubernetes object in stdin" in result.stderr
