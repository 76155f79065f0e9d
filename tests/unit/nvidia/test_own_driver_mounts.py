"""Which paths of the host hold NVIDIA's driver."""

import pytest

from webhook.nvidia.own_driver_mounts import is_driver_path


@pytest.mark.parametrize(
    ("path", "holds_driver"),
    [
        ("/usr/lib/x86_64-linux-gnu", True),
        ("/usr/lib/x86_64-linux-gnu/", True),
        ("/usr/lib/x86_64-linux-gnu/libcuda.so.1", True),
        ("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.95.05", True),
        ("/usr/lib/x86_64-linux-gnu/nvidia/current", True),
        ("/usr/lib/x86_64-linux-gnu/libssl.so.3", False),
        ("/usr/lib/nvidia-384", True),
        ("/usr/lib32/nvidia-535/bin", True),
        ("/usr/lib/nvidia-tools", False),
        ("/home/kubernetes/bin/nvidia", True),
        ("/home/kubernetes/bin", False),
        ("/run/nvidia/driver/usr/lib64", True),
        ("/run/nvidia/mps", False),
        ("/usr/local/cuda", False),
        ("/dev", False),
        ("/", False),
    ],
)
def test_a_path_that_holds_the_driver(path: str, holds_driver: bool) -> None:  # noqa: FBT001
    """A library of the driver, a directory with all libraries of the host, or a directory of the driver alone."""
    assert is_driver_path(path) is holds_driver
