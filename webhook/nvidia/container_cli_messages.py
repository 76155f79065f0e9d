"""What NVIDIA's legacy runtime, ``nvidia-container-cli``, says when it cannot prepare a container, and what helps.

The texts were read in public reports; the source is https://github.com/NVIDIA/libnvidia-container.
"""

import re

LOOK = "on the node: nvidia-smi; then nvidia-container-cli -d /dev/stderr info"
CONFIG = "/etc/nvidia-container-runtime/config.toml"
# The first that matches counts. All repetitions are bounded.
FIXES = tuple(
    (re.compile(pattern, re.IGNORECASE), fix)
    for pattern, fix in (
        (
            r"unsatisfied condition",
            (
                "the node's driver is older than the image needs: upgrade the driver, or use an image of an older CUDA "
                "release (NVIDIA_DISABLE_REQUIRE=true skips the comparison)"
            ),
        ),
        (
            r"requirement error: invalid expression",
            (
                "nvidia-container-toolkit is older than the image's requirements: upgrade it "
                "(NVIDIA_DISABLE_REQUIRE=true skips them)"
            ),
        ),
        (
            r"change root failed",
            (
                f"`root` in {CONFIG} names a directory that is not there: correct it, or start the driver container "
                "that makes it (/run/nvidia/driver)"
            ),
        ),
        (
            r"/proc/driver/nvidia/gpus/",
            (
                "the driver does not know this GPU any more: on the node, nvidia-smi -L and dmesg | grep -i xid; then "
                "reboot it"
            ),
        ),
        (
            r"tensorrt|tegra",
            (
                "the lists in /etc/nvidia-container-runtime/host-files-for-container.d name a file that is not on the "
                "Jetson: install nvidia-jetpack of the system's release, or take the line out"
            ),
        ),
        (
            r"(?:cuda|nvml) error: unknown error",
            (
                "the driver does not answer: on the node, nvidia-modprobe -u -c=0 and nvidia-smi; if these fail, dmesg "
                "| grep -i -e nvrm -e xid, and reboot it"
            ),
        ),
        (
            r"load library failed: libnvidia-ml",
            (
                f"NVIDIA's runtime finds no driver on the node: install the driver, or correct `root` in {CONFIG} (a "
                "driver container keeps it in /run/nvidia/driver)"
            ),
        ),
        (
            r"driver not loaded|failed to process request|kernel module",
            (
                "the driver's kernel module is not loaded: on the node, modprobe nvidia and dmesg | grep -i -e "
                "nvidia -e lockdown (Secure Boot refuses unsigned modules, nouveau keeps the device)"
            ),
        ),
        (r"version mismatch", "the driver was upgraded and is still loaded in its old version: reboot the node"),
        (
            r"rpc error: timed out|timed out",
            "the driver takes too long to start: enable nvidia-persistenced on the node",
        ),
        (
            r"unknown device|no-gpu-has",
            (
                "the GPU that the pod was given is not on the node: after a change of GPUs or MIG devices delete the "
                "pod and restart the device plugin; a sharing plugin needs its own scheduler"
            ),
        ),
        (
            r"device filter program|failed to add device rules|cgroup",
            'nvidia-container-toolkit does not fit the node\'s cgroups: upgrade it, or set `mode = "cdi"` in ' + CONFIG,
        ),
        (
            r"ldcache error|ldconfig",
            (
                f'correct `ldconfig` in {CONFIG}: "@/sbin/ldconfig.real" on Ubuntu, "@/sbin/ldconfig" elsewhere; where '
                "it is correct, upgrade nvidia-container-toolkit"
            ),
        ),
        (
            r"file exists|file creation failed",
            "the image contains files of a driver: build it on a machine without NVIDIA's runtime as the default",
        ),
        (
            r"insufficient permissions|permission denied|operation not permitted",
            "the node refuses access to its GPUs: see SELinux (ausearch -m avc) and the rights of /dev/nvidia*",
        ),
        (
            r"mount error: [^\n]{1,300}no such file or directory",
            (
                "the driver's files on the node are not complete: install all packages of one driver version, and "
                "upgrade nvidia-container-toolkit"
            ),
        ),
    )
)


def fix_of_cli(said: str) -> str:
    """Return what helps against a failure of ``nvidia-container-cli``, by what it says."""
    return next((fix for pattern, fix in FIXES if pattern.search(said)), LOOK)
