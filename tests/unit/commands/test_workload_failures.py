"""Commands read Events as the webhook does: from the cluster with the user's rights, and from files."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from support.cluster_world import namespace, runtime_class
from support.failed_workloads import event, of_namespace, refusal
from support.fake_api import FakeApi
from support.golden_cases import GOLDEN

from webhook.__main__ import main
from webhook.observations.workload_failure import EventReason

OPEN = {"gpu-injector.io/inject": "enabled"}
SPEC = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "model", "namespace": "ml"},
    "spec": {"template": {"spec": SPEC}},
}
RESOLVED = "to resolve it: configure the runtime on the node, or set `handlerUnknown: fallback`"
EVENTS = "/api/v1/events"


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve a Deployment, of which a pod could not be started."""
    async with FakeApi() as api:
        api.put(runtime_class(), namespace("ml", **OPEN), namespace("other", **OPEN), DEPLOYMENT)
        api.put({**DEPLOYMENT, "metadata": {"name": "model", "namespace": "other"}})
        api.put(event(), of_namespace(event("Back-off pulling image", "Failed"), "other"))
        yield api


async def run(fake: FakeApi, folder: Path, *arguments: str) -> Result:
    """Run a command in a thread of its own, as it brings its own loop."""
    command = [*arguments, "--kubeconfig", fake.kubeconfig(folder)]
    return await asyncio.to_thread(CliRunner().invoke, main, command)


def words(result: Result) -> Mapping[str, str]:
    """Return the decisions of ``preview -o json``, by namespace."""
    found: list[dict[str, Any]] = json.loads(result.stdout)["verdicts"]
    return {row["object"]["namespace"]: f"{row['verdict']}/{row['reason']}" for row in found}


async def test_preview_of_all_namespaces_lists_each_reason_once(fake: FakeApi, tmp_path: Path) -> None:
    """Of a large cluster, too; the namespaces stay apart."""
    result = await run(fake, tmp_path, "preview", "-A", "-o", "json")
    assert words(result) == {"ml": "leave/setback", "other": "inject/runtime-class"}
    assert fake.count(path=EVENTS) == len(EventReason)


async def test_preview_of_one_namespace_reads_its_events_alone(fake: FakeApi, tmp_path: Path) -> None:
    """So a user with the rights of that namespace gets the same answer."""
    fake.fault(EVENTS, status=403)
    result = await run(fake, tmp_path, "preview", "-n", "ml", "--explain")
    assert "leave/setback" in result.stdout
    assert RESOLVED in result.stdout
    assert fake.count(path=EVENTS) == 0


async def test_without_the_right_the_answer_is_the_one_without_events(fake: FakeApi, tmp_path: Path) -> None:
    """As the webhook decides; the rule says that no Events were read."""
    fake.fault("/api/v1/namespaces/ml/events", status=403)
    result = await run(fake, tmp_path, "preview", "-n", "ml", "--explain")
    assert "inject/runtime-class" in result.stdout
    assert "no Events of the namespace were read" in result.stdout


async def test_why_names_the_event_and_what_resolves_it(fake: FakeApi, tmp_path: Path) -> None:
    """Of the Deployment; the warning's text is whole there."""
    result = await run(fake, tmp_path, "why", "deployment/model", "-n", "ml")
    assert "leave/setback" in result.stdout
    assert 'no runtime for "nvidia" is configured' in result.stdout
    assert RESOLVED in result.stdout


async def test_a_saved_view_holds_the_events_that_count(fake: FakeApi, tmp_path: Path) -> None:
    """The others do not go into the file."""
    saved = tmp_path / "view.yaml"
    saved.write_text((await run(fake, tmp_path, "view")).stdout)
    events = [item for item in yaml.safe_load(saved.read_text())["items"] if item["kind"] == "Event"]
    assert [item["reason"] for item in events] == ["FailedCreatePodSandBox"]
    found = await asyncio.to_thread(preview_of, DEPLOYMENT, saved)
    assert words(found) == {"ml": "leave/setback"}


def preview_of(item: Mapping[str, Any], view: Path) -> Result:
    """Preview a manifest offline."""
    command = ["preview", "-f", "-", "--view", str(view), "-o", "json"]
    return CliRunner().invoke(main, command, input=yaml.safe_dump(dict(item)))


@pytest.mark.parametrize(
    ("name", "item", "expected"),
    [
        ("model", refusal(), "leave/setback"),
        ("model", refusal(name="model-7c9d-b"), "mount/runtime-class-missing"),
        ("other", refusal(), "mount/runtime-class-missing"),
    ],
    ids=["its ReplicaSet", "another object", "another Deployment"],
)
def test_a_file_of_events_counts_for_the_deployment_that_was_refused(
    name: str, item: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    """As ``kubectl get --raw /api/v1/events`` prints it: a list whose items carry no kind."""
    bare = {key: value for key, value in item.items() if key not in ("apiVersion", "kind")}
    view = tmp_path / "view.yaml"
    listed = {"apiVersion": "v1", "kind": "EventList", "items": [bare]}
    view.write_text((GOLDEN / "mount" / "view.yaml").read_text() + "\n---\n" + yaml.safe_dump(listed))
    author = {**DEPLOYMENT, "metadata": {"name": name, "namespace": "ml"}}
    assert words(preview_of(author, view)) == {"ml": expected}
