"""What CUDA and NVML say in a GPU pod that ends, as the pod's status shows it, and what helps."""

import re

LONGEST_TEXT = 8192
# The first that matches counts. All repetitions are bounded.
FIXES = tuple(
    (re.compile(pattern, re.IGNORECASE), fix)
    for pattern, fix in (
        (
            r"Failed to initialize NVML: Unknown Error",
            (
                "the container lost its devices, as after systemctl daemon-reload: delete the pod; so that it does not "
                "happen again, on the node: nvidia-ctk system create-dev-char-symlinks --create-all"
            ),
        ),
        (r"Driver/library version mismatch", "the driver was upgraded and is still loaded as before: reboot the node"),
        (
            r"driver version is insufficient|forward compatibility was attempted|unsupported display driver",
            "the node's driver is older than the image's CUDA: upgrade the driver, or use an image of an older CUDA",
        ),
        (
            r"system not yet initialized",
            (
                "the fabric manager does not run on the node: systemctl enable --now nvidia-fabricmanager (of the "
                "driver's own version)"
            ),
        ),
        (
            r"no kernel image is available",
            "the image has no code for this GPU: use a build for its architecture (compute capability)",
        ),
        (
            r"no CUDA-capable device|no NVIDIA driver on your system|libcuda\.so\.1: cannot open",
            (
                "the container sees no GPU: see pods-uncalled, pods-left and pods-not-opted-in, and that the container "
                "itself requests the GPU"
            ),
        ),
        (
            r"ECC error encountered|an illegal instruction|GPU is lost|fallen off the bus",
            "the GPU is broken: on the node, dmesg | grep -i xid; reboot it, and replace the GPU if it comes back",
        ),
    )
)


def fix_of_cuda(said: str) -> str:
    """Return what helps against what CUDA or NVML says, empty where nothing is known."""
    text = said[-LONGEST_TEXT:]
    return next((fix for pattern, fix in FIXES if pattern.search(text)), "")
