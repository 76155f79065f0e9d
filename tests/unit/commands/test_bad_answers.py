"""Each path that a command reads is answered badly in turn: the answer is unknown, never a traceback."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from support.doctor_world import HOME, event, healthy, served
from support.replayed_answers import Key, Replayed, record, replaying

COMMANDS = {
    "doctor": ["doctor", "-o", "json"],
    "preview": ["preview", "-A", "-o", "json", "--explain"],
    "why": ["why", "pod/model", "-n", "ml"],
    "why, another kind": ["why", "rayclusters.ray.io/r", "-n", "ml", "-o", "json"],
    "decisions": ["decisions"],
    "collect": ["collect", "-f", "/dev/null"],
    "certs show": ["certs", "show"],
}
STATUS = b'{"kind": "Status", "reason": "Odd", "message": "odd", "metadata": null, "details": []}'
HTML = b"<html><body>A proxy is here.</body></html>"
FIELDS = ("metadata", "items", "groups", "resources", "data", "spec", "status", "webhooks", "endpoints", "gitVersion")
NULLS = {"kind": "PodList", "apiVersion": "v1", **dict.fromkeys(FIELDS)}
ODD_ITEM = {"metadata": {"name": None, "labels": [], "annotations": "x", "namespace": 3}, "spec": [], "status": 1}
ODD = {
    "kind": "PodList",
    "metadata": {"remainingItemCount": "x"},
    "items": [None, 1, "a", {}, ODD_ITEM],
    "groups": [1, None, {}],
    "resources": [None, {}],
    "data": [],
    "spec": [1],
    "status": "x",
    "webhooks": [None, {}],
}
ANSWERS = {
    "404": (404, STATUS),
    "500": (500, STATUS),
    "a page of a proxy": (200, HTML),
    "no fields": (200, b"{}"),
    "null fields": (200, json.dumps(NULLS).encode()),
    "odd fields": (200, json.dumps(ODD).encode()),
}
RAY = {"name": "ray.io", "preferredVersion": {"groupVersion": "ray.io/v1"}}
KINDS = {"kind": "APIResourceList", "resources": [{"name": "rayclusters", "kind": "RayCluster", "namespaced": True}]}
TEMPLATE = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}
RAY_CLUSTER = {
    "apiVersion": "ray.io/v1",
    "kind": "RayCluster",
    "metadata": {"name": "r", "namespace": "ml"},
    "spec": {"workerGroupSpecs": [{"template": TEMPLATE}]},
}


async def _recorded(folder: Path) -> tuple[Replayed, dict[str, set[Key]]]:
    """Record the commands on a cluster in which all is well, with an Event and a workload of another kind."""
    cluster = healthy()
    cluster.add(event('no runtime for "nvidia" is configured'))
    owner = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "r", "controller": True}
    about = {"name": "r-head", "namespace": "ml", "ownerReferences": [owner]}
    async with served(cluster) as api:
        api.put({"apiVersion": "v1", "kind": "Pod", "metadata": about, **TEMPLATE})
        api.put(
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {"name": "gpu-injector-node-facts", "namespace": HOME},
            }
        )
        api.fault("/apis", status=200, body={"kind": "APIGroupList", "groups": [RAY]})
        api.fault("/apis/ray.io/v1", status=200, body=KINDS)
        api.fault("/apis/ray.io/v1/namespaces/ml/rayclusters/r", status=200, body=RAY_CLUSTER)
        return await record(api, folder, COMMANDS)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Replayed, dict[str, set[Key]]]:
    """Record once."""
    return asyncio.run(_recorded(tmp_path_factory.mktemp("recorded")))


@pytest.fixture
def replayed(recorded: tuple[Replayed, dict[str, set[Key]]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Replayed]:
    """Answer from memory."""
    replaying(monkeypatch, recorded[0])
    yield recorded[0]
    assert not recorded[0].bad


def is_handled(result: Result) -> bool:
    """Say whether a command ended by itself, without a traceback, and with a reason if it could not run."""
    is_ended = result.exception is None or isinstance(result.exception, SystemExit)
    return is_ended and "Traceback" not in result.output and (result.exit_code != 2 or "rror: " in result.stderr)


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_bad_answer_is_a_traceback(
    replayed: Replayed, recorded: tuple[Replayed, dict[str, set[Key]]], name: str, kind: str
) -> None:
    """Of each path in turn: a right that is missing, an API that is absent, a proxy, and objects without fields."""
    keys = sorted(recorded[1][name])
    assert len(keys) > 1
    found = {key: replayed.run_with(key, *ANSWERS[kind], *COMMANDS[name]) for key in keys}
    assert {key: repr(result.exception) for key, result in found.items() if not is_handled(result)} == {}


def checked(result: Result) -> dict[str, Any]:
    """Return the state of each check of doctor."""
    return {row["check"]: row["state"] for row in json.loads(result.stdout)["checks"]}


@pytest.mark.parametrize("kind", [kind for kind in ANSWERS if kind != "odd fields"])
def test_a_version_that_could_not_be_read_is_unknown(replayed: Replayed, kind: str) -> None:
    """It is not 0.0, which would be too old."""
    result = replayed.run_with(("GET", "/version"), *ANSWERS[kind], *COMMANDS["doctor"])
    assert checked(result)["server-version"] == "unknown"


@pytest.mark.parametrize("number", [None, "two", {}, [1]])
@pytest.mark.parametrize("field", [("spec", "replicas"), ("status", "readyReplicas")])
def test_a_number_of_replicas_that_is_none_is_unknown(
    replayed: Replayed, field: tuple[str, str], number: object
) -> None:
    """Another program may have written the object; a comparison of text and numbers would end doctor."""
    path = f"/apis/apps/v1/namespaces/{HOME}/deployments/gpu-injector"
    item = json.loads(replayed.answers["GET", path].body)
    item[field[0]][field[1]] = number
    result = replayed.run_with(("GET", path), 200, json.dumps(item).encode(), *COMMANDS["doctor"])
    assert is_handled(result)
    assert checked(result)["webhook-pods"] == "unknown"
