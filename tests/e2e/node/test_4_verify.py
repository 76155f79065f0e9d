"""The proof by `verify`: a pod with a GPU that works, and one that has none."""

import signal
import subprocess
import sys
from typing import Any

import pytest

from e2e.commands import gpu_injector
from e2e.kubectl import Kubectl
from e2e.namespaces import UNLABELLED
from e2e.node.driver import VERSION
from e2e.node.kubernetes import NODE
from e2e.node.python_image import PYTHON
from e2e.processes import until

pytestmark = pytest.mark.usefixtures("plugin", "webhook")

OURS = "app.kubernetes.io/name=gpu-injector-verify"
DECISIONS = {"1.33": "mount/runtime-class-missing", "1.37": "inject/runtime-class"}


def verified(kubectl: Kubectl, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run verify; return its exit code and what it says of the node."""
    printed = gpu_injector("verify", "--image", PYTHON, "-o", "json", *arguments, kubeconfig=kubectl.kubeconfig)
    (proof,) = printed.object["nodes"]
    assert proof["node"] == NODE
    return printed.code, proof


def left_over(kubectl: Kubectl) -> list[dict[str, Any]]:
    """Return what of verify's is still there."""
    found = kubectl.get("namespaces,pods", "--all-namespaces", f"--selector={OURS}")["items"]
    return list(found)


def test_a_gpu_that_works(kubectl: Kubectl, minor: str) -> None:
    """Libraries, driver and one device, in a namespace that is gone afterwards."""
    code, proof = verified(kubectl)
    assert (code, proof["state"], proof["why"], proof["decision"]) == (0, "works", [], DECISIONS[minor])
    answer = proof["answer"]
    assert (answer["nvml"]["driverVersion"], answer["nvml"]["devices"], answer["cuda"]["devices"]) == (VERSION, 1, 1)
    assert "libcuda.so" in answer["cuda"]["path"]
    assert "libcuda.so" in answer["cuda"]["from"]
    assert len([path for path in answer["devices"] if path[-1].isdigit()]) == 1
    until(lambda: not left_over(kubectl), "nothing of verify's is left")


def test_a_gpu_that_does_not(kubectl: Kubectl) -> None:
    """This namespace is not opted in, so the pod has a device's number and no driver."""
    code, proof = verified(kubectl, "-n", UNLABELLED)
    assert (code, proof["state"], proof["decision"]) == (1, "fails", "")
    assert proof["why"][0]["message"].startswith("NVML: libnvidia-ml.so.1: cannot open shared object file")
    until(lambda: not left_over(kubectl), "nothing of verify's is left")


def _heed() -> None:
    """Restore the default of Ctrl-C: a background process ignores it, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_whoever_is_interrupted_removes_what_was_made(kubectl: Kubectl, interruption: signal.Signals) -> None:
    """Ctrl-C, or the end of a CI job, while the pod waits for an image that does not exist."""
    where = ("--kubeconfig", str(kubectl.kubeconfig), "--image", "localhost/none")
    command = [sys.executable, "-m", "webhook", "verify", *where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_heed) as running:  # noqa: PLW1509  no threads here
        until(lambda: kubectl.get("pods", "--all-namespaces", f"--selector={OURS}")["items"], "verify made its pod")
        running.send_signal(interruption)
        assert running.wait(timeout=60) == 130
    until(lambda: not left_over(kubectl), "nothing of verify's is left")


def test_the_server_side_part(kubectl: Kubectl) -> None:
    """What `helm test` asks: the API server, of a pod that is not made."""
    asked = gpu_injector("verify", "--server-side", "-n", "default", "--timeout", "0", kubeconfig=kubectl.kubeconfig)
    assert (asked.code, asked.stdout) == (
        1,
        "the webhook did not answer for a GPU pod in default: no annotation\n",
    )
