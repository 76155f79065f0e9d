"""`verify`: what an answer proves, and that nothing is left of the pods, whatever happens meanwhile."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.cluster_world import namespace, session, until
from support.doctor_world import Cluster, healthy, served
from support.fake_api import FakeApi

from webhook.__main__ import main
from webhook.kube_client.api_error import ApiError
from webhook.policy.model import Policy
from webhook.verify import probe, run
from webhook.verify.judge import GpuState, judge
from webhook.verify.probe_pod import LABELS, Plan, own_program, probe_pod, program_of_any_image
from webhook.verify.run import probe_namespace, probe_nodes

GPU = "nvidia.com/gpu"
PODS = "/api/v1/namespaces/ml/pods"
WELL: Mapping[str, Any] = {
    "nvml": {"path": "/usr/lib/libnvidia-ml.so.570", "from": "", "driverVersion": "570.1", "devices": 1},
    "cuda": {"path": "/usr/lib/libcuda.so.570", "from": "/usr/lib64/libcuda.so.1", "devices": 1},
    "devices": {"/dev/nvidia0": "OK", "/dev/nvidiactl": "OK"},
    "environment": {"NVIDIA_VISIBLE_DEVICES": "GPU-1"},
}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(run, "POLL_SECONDS", 0)


def plan(*nodes: str, timeout_seconds: float = 30) -> Plan:
    """Return the plan to probe these nodes."""
    return Plan(dict.fromkeys(nodes, GPU), "gpu-injector:1", own_program(), Policy(), timeout_seconds)


def without(*path: str, value: object = None) -> Mapping[str, Any]:
    """Return the good answer, spoilt at one place."""
    answer = json.loads(json.dumps(WELL))
    place = answer
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return dict(answer)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (WELL, []),
        (without("nvml", value={"error": "no such file"}), ["NVML: no such file"]),
        (without("cuda", value={"error": "cuInit answered 100"}), ["CUDA: cuInit answered 100"]),
        (without("cuda", "devices", value=2), ["CUDA sees 2 GPUs; the pod requested 1"]),
        (without("nvml", "devices", value=0), ["NVML sees 0 GPUs; the pod requested 1"]),
        (without("devices", value={"/dev/nvidiactl": "OK"}), ["no /dev/nvidia* of a GPU exists"]),
        (without("devices", "/dev/nvidia0", value="EPERM"), ["/dev/nvidia0: EPERM"]),
        (without("devices", "/dev/nvidia0", value="ENXIO"), []),
        ({}, ["NVML: no answer", "CUDA: no answer", "no /dev/nvidia* of a GPU exists"]),
    ],
)
def test_what_an_answer_proves(answer: Mapping[str, Any], why: list[str]) -> None:
    """Libraries load, exactly the one GPU that was requested is there, and it may be opened."""
    proof = judge("gpu-node", answer, "inject/runtime-class")
    assert ([one.text for one in proof.why], proof.state) == (why, GpuState.FAILS if why else GpuState.WORKS)


def test_the_probe_runs_from_its_text_alone() -> None:
    """As `python3 -c`, in an image that has nothing of ours; here is no driver."""
    command = [sys.executable, "-I", *program_of_any_image()["command"][1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer.keys() == {"nvml", "cuda", "devices", "environment", "names"}
    assert answer["nvml"]["error"].startswith("libnvidia-ml.so.1: cannot open shared object file")
    assert answer == json.loads(CliRunner().invoke(main, ["probe"]).output)


def test_where_a_library_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader's own file, by a library that is on every machine; that one has nothing of NVML."""
    monkeypatch.setattr(probe, "NVML", "libc.so.6")
    found = probe.probe()["nvml"]
    assert isinstance(found, dict)
    assert Path(found["path"]).name.startswith("libc.so")
    assert "nvmlInit_v2" in found["error"]


def test_the_pod_is_one_that_restricted_namespaces_let_in() -> None:
    """Every rule of https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    pod = probe_pod("a", "gpu-node", GPU, plan("gpu-node"))
    (container,) = pod["spec"]["containers"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "volumes" not in pod["spec"]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert container["resources"]["limits"][GPU] == "1"


Kubelet = Callable[[FakeApi, dict[str, Any]], None]


def ends(said: str, phase: str = "Succeeded") -> Kubelet:
    """Return a kubelet that has run the pod, which said something."""

    def act(fake: FakeApi, pod: dict[str, Any]) -> None:
        fake.fault(f"{PODS}/{pod['metadata']['name']}/log", status=200, body=said.encode())
        fake.put({**pod, "status": {"phase": phase}})

    return act


def waits(**status: object) -> Kubelet:
    """Return a kubelet, or a scheduler, that cannot go on."""

    def act(fake: FakeApi, pod: dict[str, Any]) -> None:
        fake.put({**pod, "status": {"phase": "Pending", **status}})

    return act


def _stored(fake: FakeApi, resource: str) -> list[dict[str, Any]]:
    return [item for address, item in fake.store.objects.items() if address.resource == resource]


async def proved(folder: Path, kubelet: Kubelet, timeout_seconds: float = 30) -> tuple[list[Any], FakeApi]:
    """Probe one node of a cluster whose kubelet acts so once; return the proofs, and the server as it is then."""
    async with FakeApi() as fake, session(fake, folder) as api, asyncio.TaskGroup() as group:
        fake.put(namespace("ml"))

        async def serve() -> None:
            await fake.requested(1, method="POST", path=PODS)
            (made,) = await until(lambda: _stored(fake, "pods"))
            kubelet(fake, made)

        group.create_task(serve())
        proofs = await probe_nodes(api, "ml", plan("gpu-node", timeout_seconds=timeout_seconds))
        assert not _stored(fake, "pods")
        return proofs, fake


async def test_a_node_that_works(tmp_path: Path) -> None:
    """Its pod is gone afterwards."""
    (proof,), _ = await proved(tmp_path, ends(json.dumps(WELL)))
    assert (proof.node, proof.state, proof.answer) == ("gpu-node", GpuState.WORKS, WELL)


async def test_a_probe_that_says_nothing(tmp_path: Path) -> None:
    """What is known of its end is shown."""
    (proof,), _ = await proved(tmp_path, ends("python3: not found", "Failed"))
    assert (proof.state, proof.why) == (GpuState.FAILS, (("probe-failed", "the probe failed: python3: not found"),))


@pytest.mark.parametrize(
    ("status", "state", "why"),
    [
        (
            {"conditions": [{"reason": "Unschedulable", "message": "1 Insufficient nvidia.com/gpu."}]},
            GpuState.UNKNOWN,
            "no pod was scheduled: 1 Insufficient nvidia.com/gpu.",
        ),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}]},
            GpuState.FAILS,
            "ErrImagePull not found",
        ),
    ],
)
async def test_a_pod_that_never_ends(tmp_path: Path, status: dict[str, Any], state: GpuState, why: str) -> None:
    """All GPUs taken is no fault of the node's; what the kubelet cannot do is."""
    (proof,), _ = await proved(tmp_path, waits(**status), timeout_seconds=0.2)
    assert (proof.state, why in [one.text for one in proof.why]) == (state, True), proof


async def test_a_pod_that_may_not_be_made(tmp_path: Path) -> None:
    """A quota, or a lack of rights, proves nothing of the node."""
    async with FakeApi() as fake, session(fake, tmp_path) as api:
        fake.fault(PODS, method="POST", status=403, body={"message": "exceeded quota"})
        (proof,) = await probe_nodes(api, "ml", plan("gpu-node"))
    assert (proof.state, proof.why) == (
        GpuState.UNKNOWN,
        (("probe-refused", "the probe could not be run: exceeded quota"),),
    )


async def test_whoever_interrupts_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C while pods run: they are removed, and so is the namespace."""
    async with FakeApi() as fake, session(fake, tmp_path) as api:

        async def all_of_it() -> None:
            async with probe_namespace(api, "") as where:
                await probe_nodes(api, where, plan("a", "b"))

        task = asyncio.create_task(all_of_it())
        await fake.requested(1, method="POST", path="/api/v1/namespaces")
        (made, *_) = await until(lambda: _stored(fake, "namespaces"))
        name = made["metadata"]["name"]
        account = {"name": "default", "namespace": name}
        fake.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        await fake.requested(2, method="POST", path=f"/api/v1/namespaces/{name}/pods")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = [item for item in fake.store.objects.values() if item["metadata"].get("labels") == LABELS]
        assert left == []
        assert fake.count(method="DELETE") == 3


async def test_an_api_server_that_goes_away_is_an_error_of_its_own(tmp_path: Path) -> None:
    """No answer is an ``OSError``, as callers expect, however many nodes are asked at once."""
    async with FakeApi() as fake, session(fake, tmp_path) as api:
        fake.fault(PODS, method="POST", close=True)
        with pytest.raises(OSError, match="disconnected"):
            await probe_nodes(api, "ml", plan("a", "b"))


async def test_a_namespace_that_may_not_be_made(tmp_path: Path) -> None:
    """The API server's own words."""
    async with FakeApi() as fake, session(fake, tmp_path) as api:
        fake.fault("/api/v1/namespaces", method="POST", status=403, body={"message": "namespaces is forbidden"})
        with pytest.raises(ApiError) as refused:
            async with probe_namespace(api, ""):
                pass
    assert refused.value.for_people == "namespaces is forbidden"


def run_command(cluster: Cluster, folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the command line against a cluster; return exit code and output."""

    async def serve() -> tuple[int, str]:
        async with served(cluster) as fake:
            command = ["verify", "--kubeconfig", fake.kubeconfig(folder), *arguments]
            result = await asyncio.to_thread(CliRunner().invoke, main, command)
            return result.exit_code, result.stdout or result.stderr

    return asyncio.run(serve())


def test_the_server_side_part(tmp_path: Path) -> None:
    """What `helm test` asks: no pod is made."""
    said = run_command(healthy(), tmp_path, "--server-side", "-n", "ml")
    assert said == (0, "a GPU pod in ml: inject/runtime-class\n")
    away = healthy()
    away.tried = (201, {"metadata": {"annotations": {}}})
    code, printed = run_command(away, tmp_path, "--server-side", "-n", "ml", "-o", "json", "--timeout", "0")
    assert (code, json.loads(printed)["decision"]) == (1, "")


def test_in_dry_run_the_warning_is_the_answer(tmp_path: Path) -> None:
    """Nothing is written there, so a user who creates a pod gets a warning."""
    cluster = healthy()
    cluster.tried = (201, {"metadata": {}})
    cluster.warnings = ('299 - "gpu-injector: dry-run: would set runtimeClassName \\"nvidia\\""',)
    code, printed = run_command(cluster, tmp_path, "--server-side", "-n", "ml")
    assert (code, printed.startswith("a GPU pod in ml: dry-run: would set runtimeClassName")) == (0, True), printed


def test_the_server_side_part_needs_a_namespace(tmp_path: Path) -> None:
    """It does not guess."""
    code, printed = run_command(healthy(), tmp_path, "--server-side")
    assert (code, "--server-side needs -n NAMESPACE" in printed) == (2, True)


def test_a_node_that_offers_nothing_fails_at_once(tmp_path: Path) -> None:
    """No pod could ask for what is not offered."""
    cluster = healthy()
    cluster.node["status"]["allocatable"][GPU] = "0"
    code, printed = run_command(cluster, tmp_path, "-n", "ml")
    assert (code, "it offers no GPU: gpu-injector doctor shows why" in printed) == (1, True)


def test_a_node_that_is_not_there(tmp_path: Path) -> None:
    """A misspelt name is an error, not a proof."""
    code, printed = run_command(healthy(), tmp_path, "--node", "gpu-nod")
    assert (code, "no GPU node: gpu-nod" in printed) == (2, True)


def test_without_an_installation_an_image_must_be_named(tmp_path: Path) -> None:
    """The default is the image of our Deployment."""
    cluster = healthy()
    cluster.remove("Deployment", "gpu-injector")
    code, printed = run_command(cluster, tmp_path, "-n", "ml")
    assert (code, "name an image with Python by --image" in printed) == (2, True)


def test_a_quota_is_shown_in_the_table(tmp_path: Path) -> None:
    """The exit code says that nothing failed and something could not be tried."""
    cluster = healthy()
    cluster.tried = (403, {"message": "exceeded quota"})
    code, printed = run_command(cluster, tmp_path, "-n", "ml")
    assert code == 3
    assert "? unknown" in printed
    assert "the probe could not be run: exceeded quota" in printed
