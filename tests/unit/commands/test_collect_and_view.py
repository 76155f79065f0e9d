"""`collect` and `view`: what they write, and that it is read offline with the answers of the live cluster."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.doctor_cases.setbacks import remember
from support.doctor_world import healthy, served
from support.silent_replicas import silent_replicas

from webhook.__main__ import main

METRICS = "/api/v1/namespaces/gpu-injector/pods/webhook-a:8080/proxy/metrics"
CANARY = "canary-s3cr3t-0123456789"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: trainer, namespace: ml}
spec: {containers: [{name: main, resources: {limits: {nvidia.com/gpu: 1}}}]}
"""


def run(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module", autouse=True)
def no_http() -> Iterator[None]:
    """Have replicas that answer no HTTP, so that nothing is waited for."""
    with silent_replicas():
        yield


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Result]]:
    """Run all commands once against a cluster in which something is wrong, and secrets are everywhere."""
    folder = tmp_path_factory.mktemp("collect")
    cluster = healthy()
    cluster.blind_plugin(f"could not load NVML library\npassword={CANARY}\n")
    main_container = cluster.pod["spec"]["containers"][0]
    main_container |= {"env": [{"name": "TOKEN", "value": CANARY}], "args": ["--token", CANARY]}
    cluster.pod["metadata"]["annotations"]["note"] = CANARY
    remember(cluster)
    (folder / "pod.yaml").write_text(POD)
    file, pod = str(folder / "all.json.gz"), str(folder / "pod.yaml")
    commands = {
        "doctor": ("doctor", "-o", "json"),
        "why": ("why", "pod/model", "-n", "ml", "-o", "json"),
        "preview": ("preview", "-f", pod, "-o", "json"),
        "collect": ("collect", "-f", file),
        "plain": ("collect", "-f", str(folder / "all.json")),
        "view": ("view",),
    }

    async def serve() -> dict[str, Result]:
        async with served(cluster) as fake:
            kubeconfig = fake.kubeconfig(folder)
            fake.fault(METRICS, status=200, body=f'gpu_injector_build_info 1\n# password="{CANARY}"\n'.encode())
            return {
                name: await asyncio.to_thread(run, *command, "--kubeconfig", kubeconfig)
                for name, command in commands.items()
            }

    found = asyncio.run(serve())
    (folder / "view.yaml").write_text(found["view"].stdout)
    return folder, found


def checks(result: Result) -> list[object]:
    """Return what doctor printed, but for the time."""
    return list(json.loads(result.stdout)["checks"])


def test_doctor_says_the_same_of_the_file(answers: tuple[Path, dict[str, Result]]) -> None:
    """Each check has the same state, evidence and fix; the exit code is the same."""
    folder, live = answers
    offline = run("doctor", "-o", "json", "--from", str(folder / "all.json.gz"))
    assert (offline.exit_code, checks(offline)) == (live["doctor"].exit_code, checks(live["doctor"]))
    assert offline.exit_code == 1


def test_why_says_the_same_of_the_file(answers: tuple[Path, dict[str, Result]]) -> None:
    """The entries, the past and each row of the decision."""
    folder, live = answers
    offline = run("why", "pod/model", "-n", "ml", "-o", "json", "--from", str(folder / "all.json.gz"))
    assert (offline.exit_code, json.loads(offline.stdout)) == (live["why"].exit_code, json.loads(live["why"].stdout))


@pytest.mark.parametrize("file", ["all.json.gz", "all.json", "view.yaml"])
def test_preview_says_the_same_of_each_file(answers: tuple[Path, dict[str, Result]], file: str) -> None:
    """A file of view or collect takes the cluster's place."""
    folder, live = answers
    offline = run("preview", "-f", str(folder / "pod.yaml"), "-o", "json", "--view", str(folder / file))
    assert (offline.exit_code, json.loads(offline.stdout)) == (
        live["preview"].exit_code,
        json.loads(live["preview"].stdout),
    )


def test_no_secret_is_in_a_file(answers: tuple[Path, dict[str, Result]]) -> None:
    """Neither of variables, arguments, annotations and logs, nor a private key."""
    folder, found = answers
    assert (found["collect"].exit_code, found["view"].exit_code) == (0, 0)
    for text in ((folder / "all.json").read_text(), found["view"].stdout):
        assert [word for word in (CANARY, "PRIVATE KEY", "tls.key", "caBundle") if word in text] == []


def test_state_metrics_and_versions_are_in_the_file(answers: tuple[Path, dict[str, Result]]) -> None:
    """What the replicas remember and count, and what could not be asked of them."""
    folder, found = answers
    about, *objects = json.loads((folder / "all.json").read_text())["items"]
    (state,) = [item for item in objects if item["kind"] == "ConfigMap"]
    assert json.loads(state["data"]["state.json"])["setbacks"][0]["kind"] == "blocked"
    assert about["texts"][METRICS].startswith("gpu_injector_build_info 1\n")
    assert (about["tool"] != "", about["facts"]["version"]["gitVersion"]) == (True, "v1.33.5")
    assert [line for line in found["collect"].stderr.splitlines() if "state and decisions of webhook-" in line] != []


def test_who_may_not_ask_the_replicas_is_told_so(tmp_path: Path) -> None:
    """A viewer has no right to use the proxy: the file is written, and what is not in it is listed."""

    async def serve() -> Result:
        async with served(healthy()) as fake:
            for path in (METRICS, METRICS.replace("webhook-a", "webhook-b")):
                fake.fault(path, status=403, body={"kind": "Status", "reason": "Forbidden"})
            file = ("-f", str(tmp_path / "all.json"), "--kubeconfig", fake.kubeconfig(tmp_path))
            return await asyncio.to_thread(run, "collect", *file)

    result = asyncio.run(serve())
    assert (result.exit_code, f"Could not read: {METRICS} (403)" in result.stderr) == (3, True)
    assert json.loads((tmp_path / "all.json").read_text())["items"][0]["answers"][METRICS] == 403


def test_a_view_that_lacks_kinds_says_so(answers: tuple[Path, dict[str, Result]], tmp_path: Path) -> None:
    """What kubectl printed of some kinds may not suffice for the verdict."""
    folder, _ = answers
    view = tmp_path / "some.yaml"
    view.write_text("{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: nvidia}, handler: nvidia}")
    result = run("preview", "-f", str(folder / "pod.yaml"), "--view", str(view), "-n", "ml")
    assert "which could change the verdict. Save all: gpu-injector view" in result.stderr
