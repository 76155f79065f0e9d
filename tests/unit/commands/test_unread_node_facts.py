"""Node facts that a user may not read: the answer is unknown, never the one for a cluster without node facts."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.doctor_cases.node_reports import report_from
from support.doctor_world import HOME, healthy, served
from support.fake_api import FakeApi
from support.silent_replicas import silent_replicas

from webhook.__main__ import main
from webhook.view.facts_daemon_set import DISABLED, SETTING_KEY

DAEMON_SET = f"/apis/apps/v1/namespaces/{HOME}/daemonsets/gpu-injector-node-facts"
PODS = f"/api/v1/namespaces/{HOME}/pods"
FORBIDDEN = {"kind": "Status", "reason": "Forbidden", "message": "forbidden"}
UNKNOWN = "unknown (could not read node facts)"
COMMANDS = {
    "why": ("why", "pod/model", "-n", "ml"),
    "why, of the plugin": ("why", "ds/nvidia-device-plugin", "-n", "kube-system"),
    "preview": ("preview", "-n", "ml"),
    "preview -f": ("preview", "-n", "ml", "-f", "-"),
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "ml"},
    "spec": {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
}


@pytest.fixture(scope="module", autouse=True)
def no_http() -> Iterator[None]:
    """Have replicas that answer no HTTP, so that nothing is waited for."""
    with silent_replicas():
        yield


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve a cluster in which the node reports that its default runtime adds GPUs."""
    cluster = healthy()
    report_from(cluster, added=True)
    cluster.bare_pod()
    async with served(cluster) as found:
        yield found


async def run(fake: FakeApi, folder: Path, *arguments: str) -> Result:
    """Run a command; standard input has a GPU pod."""
    command = [*arguments, "--kubeconfig", fake.kubeconfig(folder)]
    return await asyncio.to_thread(CliRunner().invoke, main, command, input=json.dumps(POD))


def forbid(fake: FakeApi, path: str) -> None:
    """Refuse a path, as RBAC does."""
    fake.fault(path, status=403, body=FORBIDDEN)


def chart_says(fake: FakeApi, setting: str) -> None:
    """Have the ConfigMap of the chart."""
    metadata = {"name": "gpu-injector", "namespace": HOME}
    data = {"policy.yaml": "{}\n", SETTING_KEY: setting}
    fake.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


@pytest.mark.parametrize("path", [DAEMON_SET, PODS])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
async def test_a_decision_without_them_is_unknown(
    fake: FakeApi, tmp_path: Path, path: str, command: tuple[str, ...]
) -> None:
    """Exit code 3, and the right that is missing; nothing is said of reports that were not read."""
    forbid(fake, path)
    chart_says(fake, "enabled")
    result = await run(fake, tmp_path, *command)
    assert (result.exit_code, UNKNOWN in result.stdout) == (3, True), result.output
    assert "daemonset/gpu-injector-node-facts and pods of the installation" in result.output
    assert "reports nothing by itself" not in result.output


async def test_with_the_rights_the_report_decides(fake: FakeApi, tmp_path: Path) -> None:
    """The decision that would be wrong without the report."""
    result = await run(fake, tmp_path, "why", "pod/model", "-n", "ml")
    assert (result.exit_code, "leave/platform-provides" in result.stdout) == (0, True), result.output


async def test_where_the_chart_has_none_no_right_is_needed(fake: FakeApi, tmp_path: Path) -> None:
    """Users who may read the policy know that node facts are off."""
    forbid(fake, DAEMON_SET)
    chart_says(fake, DISABLED)
    result = await run(fake, tmp_path, "why", "pod/model", "-n", "ml")
    assert (result.exit_code, "unknown" in result.stdout) == (0, False), result.output


@pytest.mark.parametrize("status", [500, 504])
async def test_a_failure_is_not_off(fake: FakeApi, tmp_path: Path, status: int) -> None:
    """Whatever the chart says: the API server may answer the webhook."""
    fake.fault(DAEMON_SET, status=status, body={"kind": "Status", "message": "etcd is away"})
    chart_says(fake, DISABLED)
    result = await run(fake, tmp_path, "why", "pod/model", "-n", "ml")
    assert (result.exit_code, UNKNOWN in result.stdout) == (3, True), result.output


@pytest.mark.parametrize("path", [DAEMON_SET, PODS])
async def test_doctor_says_so(fake: FakeApi, tmp_path: Path, path: str) -> None:
    """Each check that needs them is unknown, and names what could not be read."""
    forbid(fake, path)
    result = await run(fake, tmp_path, "doctor", "-o", "json")
    found = {one["check"]: one for one in json.loads(result.stdout)["checks"]}
    for name in ("node-facts", "node-facts-agree", "default-runtime"):
        assert (found[name]["state"], "no right to read" in str(found[name]["evidence"])) == ("unknown", True)


async def test_a_view_for_others_keeps_what_was_unknown(fake: FakeApi, tmp_path: Path) -> None:
    """A file of a user without the right gives no decision either."""
    forbid(fake, DAEMON_SET)
    saved = await run(fake, tmp_path, "view")
    (tmp_path / "view.yaml").write_text(saved.stdout)
    command = ["preview", "-f", "-", "--view", str(tmp_path / "view.yaml")]
    result = await asyncio.to_thread(CliRunner().invoke, main, command, input=json.dumps(POD))
    assert (result.exit_code, UNKNOWN in result.stdout) == (3, True), result.output
