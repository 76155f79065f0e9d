"""Node facts in the files of `collect` and `view`: reports are kept, and decisions are as with the live cluster."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.doctor_cases.node_reports import DRIVER, FAILED, report_from
from support.doctor_world import Cluster, healthy, served
from support.silent_replicas import silent_replicas

from webhook.__main__ import main
from webhook.archive.reduce import Reducer
from webhook.node_facts.facts_report import NodeFacts
from webhook.view.node_facts_pods import project_facts_pod

CANARY = "canary-s3cr3t-0123456789"


def run(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module", autouse=True)
def no_http() -> Iterator[None]:
    """Have replicas that answer no HTTP, so that nothing is waited for."""
    with silent_replicas():
        yield


def spoilt() -> Cluster:
    """Return a cluster with a report that differs from a label, and with secrets and words of reports everywhere."""
    cluster = healthy()
    pod = report_from(cluster, driver_version="570.86.15")
    cluster.node["metadata"]["labels"][DRIVER] = "550.54"
    pod["spec"]["containers"][0] |= {"env": [{"name": "TOKEN", "value": CANARY}]}
    # Values that are taken out, and are words of reports too.
    words = ("nvidia", "version", "driverVersion", "570.86.15")
    cluster.pod["spec"]["containers"][0]["env"] = [{"name": f"W{word}", "value": word} for word in words]
    other = {"name": "follow", "state": {"terminated": {"exitCode": 0, "message": f"password is {CANARY}"}}}
    pod["status"]["containerStatuses"] = [other]
    # Bare, so that the decision reads the node.
    cluster.bare_pod()
    cluster.blind_plugin("could not load NVML library")
    return cluster


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Result]]:
    """Run the commands once."""
    folder = tmp_path_factory.mktemp("facts")
    commands = {
        "doctor": ("doctor", "-o", "json"),
        "why": ("why", "ds/nvidia-device-plugin", "-n", "kube-system", "-o", "json"),
        "pod": ("why", "pod/model", "-n", "ml", "-o", "json"),
        "collect": ("collect", "-f", str(folder / "all.json")),
        "anonymous": ("collect", "--anonymise", "-f", str(folder / "anonymous.json")),
        "view": ("view",),
    }

    async def serve() -> dict[str, Result]:
        async with served(spoilt()) as fake:
            kubeconfig = fake.kubeconfig(folder)
            return {
                name: await asyncio.to_thread(run, *command, "--kubeconfig", kubeconfig)
                for name, command in commands.items()
            }

    return folder, asyncio.run(serve())


def checks(result: Result) -> list[dict[str, Any]]:
    """Return the checks that doctor printed."""
    return list(json.loads(result.stdout)["checks"])


def test_the_file_gives_the_answers_of_the_cluster(answers: tuple[Path, dict[str, Result]]) -> None:
    """The checks, and the rules for the plugin's pods and for a GPU pod, with their evidence."""
    folder, live = answers
    file = ("--from", str(folder / "all.json"))
    assert checks(run("doctor", "-o", "json", *file)) == checks(live["doctor"])
    for name, thing, namespace in (("why", "ds/nvidia-device-plugin", "kube-system"), ("pod", "pod/model", "ml")):
        assert json.loads(run("why", thing, "-n", namespace, "-o", "json", *file).stdout) == json.loads(
            live[name].stdout
        )


def test_the_difference_is_shown(answers: tuple[Path, dict[str, Result]]) -> None:
    """Beside the evidence, for the plugin's pods and for GPU pods; doctor names the node and both versions."""
    said = "its label says driver 550.54, but it reports driver 570.86.15"
    for name in ("why", "pod"):
        rows = json.loads(answers[1][name].stdout)["explanations"][0]["rows"]
        assert [one["message"] for row in rows for one in row["evidence"] if said in one["message"]] == [
            f"gpu-node: {said}"
        ]
    (found,) = [one for one in checks(answers[1]["doctor"]) if one["check"] == "node-facts-agree"]
    assert (found["state"], said in str(found["evidence"])) == ("warn", True)


def test_no_secret_is_in_a_file(answers: tuple[Path, dict[str, Result]]) -> None:
    """Neither of the pod's variables nor of a message that is no report."""
    folder, found = answers
    assert (found["collect"].exit_code, found["view"].exit_code) == (0, 0)
    for text in ((folder / "all.json").read_text(), found["view"].stdout):
        assert CANARY not in text
        assert "570.86.15" in text


def test_an_anonymous_file_has_the_reports(answers: tuple[Path, dict[str, Result]]) -> None:
    """The node's name is a hash, in the report's pod as in the node."""
    found = checks(run("doctor", "-o", "json", "--from", str(answers[0] / "anonymous.json")))
    (agree,) = [one for one in found if one["check"] == "node-facts-agree"]
    assert "it reports driver 570.86.15" in str(agree["evidence"])
    assert "gpu-node" not in str(agree["evidence"])


def test_a_failure_of_the_runtime_is_kept() -> None:
    """It is no report, and a fact: without it the file would give another decision."""
    pod = report_from(healthy())
    ended = {"exitCode": 128, "reason": "StartError", "message": FAILED}
    pod["status"]["initContainerStatuses"][0] |= {"state": {"terminated": ended}}
    reduced = Reducer()(pod)
    assert reduced is not None
    assert project_facts_pod(reduced) == project_facts_pod(pod)
    assert project_facts_pod(pod).failure


def test_a_report_is_written_again_from_what_was_read() -> None:
    """What a future version adds, or what is hidden in it, does not reach the file."""
    pod = report_from(healthy())
    ended = pod["status"]["initContainerStatuses"][0]["state"]["terminated"]
    report = json.loads(ended["message"])
    ended["message"] = json.dumps({**report, "note": CANARY})
    reduced = Reducer()(pod)
    assert reduced is not None
    assert CANARY not in json.dumps(reduced)
    assert project_facts_pod(reduced).facts == NodeFacts.parse(json.dumps(report))
