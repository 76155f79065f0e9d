"""The last words of a GPU pod lead to what helps."""

import pytest

from webhook.nvidia.cuda_messages import fix_of_cuda


@pytest.mark.parametrize(
    ("said", "helps"),
    [
        ("RuntimeError: Error 802: system not yet initialized", "the fabric manager does not run"),
        ("CUDA driver version is insufficient for CUDA runtime version", "older than the image's CUDA"),
        ("Failed to initialize NVML: Driver/library version mismatch", "reboot the node"),
        ("RuntimeError: Found no NVIDIA driver on your system.", "the container sees no GPU"),
        ("CUDA error: no kernel image is available for execution on the device", "compute capability"),
        ("CUDA error: uncorrectable ECC error encountered", "the GPU is broken"),
        ("ValueError: the model is too large", ""),
    ],
)
def test_last_words_lead_to_what_helps(said: str, helps: str) -> None:
    """A text of the program itself is not judged."""
    found = fix_of_cuda(said)
    assert (found == "") if not helps else (helps in found)
