"""``preview`` for namespaces that are not opted in, do not exist, or have an unknown value, on the fake API server."""

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
from webhook.names import INJECT_KEY, WORKLOADS_ENTRY

GPU = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
CPU = {"containers": [{"name": "c"}]}
LABEL_COMMAND = f"kubectl label namespace new {INJECT_KEY}=enabled"
IF_IT_WERE = "not opted in; if it were: inject/runtime-class"


def pod(name: str, spec: dict[str, Any], place: str = "new", **metadata: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": place, **metadata},
        "spec": spec,
    }


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve a GPU pod and others in a namespace without our label."""
    async with FakeApi() as api:
        mirror = {"annotations": {"kubernetes.io/config.mirror": "x"}}
        api.put(runtime_class(), namespace("new"), namespace("closed", **{INJECT_KEY: "disabled"}))
        api.put(pod("gpu", GPU), pod("cpu", CPU), pod("static", CPU, "closed", **mirror), pod("web", CPU, "closed"))
        yield api


async def preview(fake: FakeApi, folder: Path, *arguments: str, text: str = "") -> Result:
    """Run the command in a thread of its own, as it starts its own loop."""
    command = ["preview", "--kubeconfig", fake.kubeconfig(folder), *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, command, input=text)


async def test_the_diff_is_shown_as_if_the_namespace_were_opted_in(fake: FakeApi, tmp_path: Path) -> None:
    """With the command that opts it in; nothing would change now, so the exit code is 0."""
    result = await preview(fake, tmp_path, "-n", "new", "-o", "diff")
    assert f"Pod new/gpu: {IF_IT_WERE}" in result.stdout
    assert "runtimeClassName: nvidia" in result.stdout
    assert result.stdout.endswith(f"To opt in namespace new:\n  {LABEL_COMMAND}\n")
    assert result.exit_code == 0


async def test_the_table_says_so_too(fake: FakeApi, tmp_path: Path) -> None:
    """One row, no change, and the command once."""
    fake.put(pod("other", GPU))
    result = await preview(fake, tmp_path, "-A")
    rows = [line for line in result.stdout.splitlines() if line.startswith("Pod ")]
    assert [row.split() for row in rows] == [
        ["Pod", f"new/{name}", *IF_IT_WERE.split(), "-"] for name in ("gpu", "other")
    ]
    assert result.stdout.count(LABEL_COMMAND) == 1


@pytest.mark.parametrize("arguments", [("-A",), ("-n", "new")])
async def test_there_is_no_patch_where_the_webhook_is_not_called(
    fake: FakeApi, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """No annotation either; JSON has what would be done beside it."""
    assert (await preview(fake, tmp_path, *arguments, "-o", "patch")).stdout == ""
    (row,) = json.loads((await preview(fake, tmp_path, *arguments, "-o", "json")).stdout)["verdicts"]
    assert (row["verdict"], row["reason"], row["operations"]) == ("leave", "not-opted-in", [])
    assert row["patched"]["metadata"].get("annotations") is None
    assert (row["ifOptedIn"]["verdict"], row["ifOptedIn"]["reason"]) == ("inject", "runtime-class")
    assert {"op": "add", "path": "/spec/runtimeClassName", "value": "nvidia"} in row["ifOptedIn"]["operations"]
    assert "runtimeClassName" not in (await preview(fake, tmp_path, *arguments, "-o", "yaml")).stdout


@pytest.mark.parametrize("labels", [{"pod": "disabled"}, {"namespace": "disabled"}])
async def test_no_annotation_is_shown_for_what_is_opted_out(
    fake: FakeApi, tmp_path: Path, labels: dict[str, str]
) -> None:
    """The selectors of the registration exclude both; no other label is proposed."""
    own = {"labels": {INJECT_KEY: labels["pod"]}} if "pod" in labels else {}
    place = "closed" if "namespace" in labels else "new"
    fake.put(pod("gpu", GPU, place, **own))
    result = await preview(fake, tmp_path, "-n", place, "-o", "diff")
    assert result.stdout == f"Pod {place}/gpu: leave/opted-out\n"


async def test_an_unknown_value_of_the_label_is_reported(fake: FakeApi, tmp_path: Path) -> None:
    """The command overwrites it."""
    fake.put(namespace("new", **{INJECT_KEY: "true"}))
    result = await preview(fake, tmp_path, "-n", "new")
    assert f'The label {INJECT_KEY} of namespace new has an unknown value, "true".' in result.stdout
    assert f"{LABEL_COMMAND} --overwrite" in result.stdout


async def test_a_namespace_that_does_not_exist_is_an_error(fake: FakeApi, tmp_path: Path) -> None:
    """Without files there is nothing else to answer."""
    result = await preview(fake, tmp_path, "-n", "absent")
    assert (result.exit_code, "Error: namespace absent does not exist" in result.stderr) == (2, True)


async def test_a_manifest_may_come_before_its_namespace(fake: FakeApi, tmp_path: Path) -> None:
    """Both commands are shown."""
    result = await preview(fake, tmp_path, "-f", "-", text=json.dumps(pod("p", GPU, "later")))
    assert "Pod later/p: namespace not found; if it were opted in: inject/runtime-class" in result.stdout
    assert "  kubectl create namespace later\n  kubectl label namespace later" in result.stdout


async def test_what_may_not_be_read_gives_no_advice(fake: FakeApi, tmp_path: Path) -> None:
    """An unread namespace may be opted in; pods without a GPU need no answer."""
    fake.fault("/api/v1/namespaces", status=403)
    fake.fault("/api/v1/namespaces/new", status=403)
    result = await preview(fake, tmp_path, "-n", "new")
    assert "unknown (could not read namespaces)" in result.stdout
    assert ("kubectl label" in result.stdout, "cpu" in result.stdout, result.exit_code) == (False, False, 3)


async def test_no_gpu_workloads_are_said(fake: FakeApi, tmp_path: Path) -> None:
    """Also for a mirror pod, and with the selector; but not where a list could not be read."""
    assert "No GPU workloads in namespace closed." in (await preview(fake, tmp_path, "-n", "closed")).stderr
    result = await preview(fake, tmp_path, "-A", "-l", "a=b")
    assert "No GPU workloads in any namespace with the labels a=b." in result.stderr
    fake.fault("/api/v1/namespaces/closed/pods", status=403)
    assert "No GPU workloads" not in (await preview(fake, tmp_path, "-n", "closed")).stderr


async def test_a_missing_registration_is_said(fake: FakeApi, tmp_path: Path) -> None:
    """Also where another entry of ours is left; an unread one is not called missing."""
    said = "Not installed: no registration gpu-injector"
    assert f"{said} exists. The webhook is not called." in (await preview(fake, tmp_path, "-A")).stderr
    for name, is_missing in (("x", True), (WORKLOADS_ENTRY, False)):
        fake.put(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": {"name": "gpu-injector"},
                "webhooks": [{"name": name}],
            }
        )
        stderr = (await preview(fake, tmp_path, "-A")).stderr
        assert (f"{said} has the entry {WORKLOADS_ENTRY}." in stderr) is is_missing
    fake.fault("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/gpu-injector", status=403)
    assert "Not installed" not in (await preview(fake, tmp_path, "-A")).stderr
