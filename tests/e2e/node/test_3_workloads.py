"""Workloads of namespaces that opted in, inside their containers: what they can load and open."""

import pytest

from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED, UNLABELLED
from e2e.node.driver import VERSION
from e2e.node.images import CUDA_PROBE
from e2e.node.setups import ON_1_33, ON_1_37
from e2e.node.workload import CONFINED, GPU_NODES, gpus_opened, probe, probing_pod, run_to_the_end
from e2e.pods import decision_of

pytestmark = pytest.mark.usefixtures("plugin", "webhook")

NVML_WITH_ONE_GPU = {"init": 0, "driverVersion": VERSION, "gpus": 1}
CUDA_WITH_ONE_GPU = {"init": 0, "gpus": 1}


@ON_1_33
def test_the_fallback_gives_a_confined_pod_its_gpu(kubectl: Kubectl) -> None:
    """Unprivileged, not root, read-only root: the libraries load, its own GPU opens, and the other is not there."""
    author = probing_pod(ENABLED, probe(gpus=1, securityContext=CONFINED), probe("sidecar", securityContext=CONFINED))
    created, answers = run_to_the_end(kubectl, author)
    assert decision_of(created) == "mount/runtime-class-missing"
    assert answers["main"]["uid"] == 1000
    assert answers["main"]["nvml"] == NVML_WITH_ONE_GPU
    assert answers["main"]["cuda"] == CUDA_WITH_ONE_GPU
    assert len(gpus_opened(answers["main"])) == 1
    assert [answers["sidecar"][thing] for thing in ("nvml", "cuda")] == [None, None]
    assert gpus_opened(answers["sidecar"]) == []


@ON_1_37
def test_the_runtime_class_gives_a_confined_pod_its_gpu(kubectl: Kubectl) -> None:
    """NVIDIA's runtime adds libraries and the one GPU; a sidecar on CUDA's image sees none."""
    author = probing_pod(
        ENABLED,
        probe(gpus=1, securityContext=CONFINED),
        probe("sidecar", image=CUDA_PROBE, securityContext=CONFINED),
    )
    created, answers = run_to_the_end(kubectl, author)
    assert decision_of(created) == "inject/runtime-class"
    assert answers["main"]["nvml"] == NVML_WITH_ONE_GPU
    assert answers["main"]["cuda"] == CUDA_WITH_ONE_GPU
    assert len(gpus_opened(answers["main"])) == 1
    assert answers["sidecar"]["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert answers["sidecar"]["nvml"] is None
    assert gpus_opened(answers["sidecar"]) == []


@ON_1_37
def test_without_void_a_sidecar_sees_every_gpu(kubectl: Kubectl) -> None:
    """The same pod, with a class that its author set: NVIDIA's runtime gives CUDA's image all GPUs."""
    author = probing_pod(UNLABELLED, probe(gpus=1), probe("sidecar", image=CUDA_PROBE), runtime_class="nvidia")
    created, answers = run_to_the_end(kubectl, author)
    assert decision_of(created) is None
    assert len(gpus_opened(answers["main"])) == 1
    assert gpus_opened(answers["sidecar"]) == list(GPU_NODES)
