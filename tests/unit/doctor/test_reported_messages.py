"""Texts of public reports lead to a fix that helps. What is right was read in the thread, before the text was tried."""

import pytest

from webhook.doctor.failure_fixes import fix_for
from webhook.nvidia.failure_messages import failure_of

CLI = "error running hook #0: exit status 1, stderr: Auto-detected mode as 'legacy'\nnvidia-container-cli: "
TASK = "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
REJECTED = "Allocate failed due to "
AWAY = "the device plugin was not there when the kubelet asked it"
CLAIM = "Failed to prepare dynamic resources: prepare dynamic resources: "


@pytest.mark.parametrize(
    ("message", "reason", "helps"),
    [
        # k3s-io/k3s#11530, kubernetes/kubernetes#133382: after a restart of the node or the kubelet.
        (f"{REJECTED}can't allocate unregistered device nvidia.com/gpu, which is unexpected", "", AWAY),
        # Project-HAMi/HAMi#39, #71: the plugin ended in between.
        (f"{REJECTED}rpc error: code = Unavailable desc = transport is closing, which is unexpected", "", AWAY),
        (
            f"{REJECTED}rpc error: code = Unavailable desc = error reading from server: EOF, which is unexpected",
            "",
            AWAY,
        ),
        # Project-HAMi/HAMi#710, tkestack/gpu-manager#182, volcano-vgpu-device-plugin#93, volcano-sh/volcano#2701.
        (f"{REJECTED}rpc error: code = Unknown desc = no binding pod found on node a", "", "take nodeName out"),
        (f"{REJECTED}rpc error: code = Unknown desc = candidate pod not found for request", "", "take nodeName out"),
        (f"{REJECTED}rpc error: code = Unknown desc = device number not matched", "", "take nodeName out"),
        (f"{REJECTED}rpc error: code = Unknown desc = failed to find gpu id, which is unexpected", "", "schedulerName"),
        (
            "Pod was rejected: Node didn't have enough resource: nvidia.com/gpu, requested: 1, used: 0, capacity: 0",
            "OutOfnvidia.com/gpu",
            "the node had too little nvidia.com/gpu",
        ),
        ("Pod was rejected: Predicate NodeAffinity failed", "NodeAffinity", "does not match its nodeSelector"),
        # dra-driver-nvidia-gpu#814, and the words of kubelets before 1.32.
        (f"{CLAIM}DRA driver compute-domain.nvidia.com is not registered", "", "compute-domain.nvidia.com has not"),
        (
            f"{CLAIM}plugin name gpu.nvidia.com not found in the list of registered DRA plugins",
            "",
            "gpu.nvidia.com has",
        ),
        # nvidia-container-toolkit#1537, #1239, kata-containers#12549: each class of devices has another author.
        (f"{TASK}unresolvable CDI devices runtime.nvidia.com/gpu=all", "", "--output=/dev/null names what is missing"),
        (f"{TASK}unresolvable CDI devices k8s.device-plugin.nvidia.com/gpu=GPU-6", "", "mount that directory into"),
        (f"{TASK}unresolvable CDI devices nvidia.com/pgpu=vfio1", "", "bind it to vfio-pci"),
        (f"{TASK}unresolvable CDI devices management.nvidia.com/gpu=0", "", "remove runtimeClassName"),
        # ublue-os/bluefin#3454: crun.
        ("error executing hook `/usr/bin/nvidia-cdi-hook` (exit code: 1)", "", "nvidia-ctk cdi generate"),
        (f'{TASK}runtime "x" binary not installed "containerd-shim-runc-v2": file does not exist', "", "its own"),
        (f"{TASK}no runtime binary found from candidate list: [runc crun]", "", "NVIDIA's runtime finds none of runc"),
        ("Error response from daemon: unknown or invalid runtime name: nvidia", "", "configure the handler nvidia"),
        # gpu-operator#377.
        (
            "failed to generate spec: lstat /run/nvidia/driver/dev/nvidiactl: no such file or directory",
            "",
            "driver's pod",
        ),
        (f"{TASK}mount /dev/nvidia0:/run/x/dev/nvidia0: no such file or directory", "", "nvidia-modprobe -u -m"),
        (
            "error running hook #0: /usr/local/nvidia/toolkit/nvidia-container-runtime-hook: line 2: No such file",
            "",
            "on the node: nvidia-smi",
        ),
        # What nvidia-container-cli says: libnvidia-container#119, #178; nvidia-container-toolkit#215.
        (f"{CLI}ldcache error: open failed: /sbin/ldconfig.real: no such file or directory", "", "correct `ldconfig`"),
        (f"{CLI}mount error: open failed: /sys/fs/cgroup/devices/a/devices.allow: no such file", "", "node's cgroups"),
        (f"{CLI}detection error: path error: ///etc/ld.so.cache: permission denied", "", "see SELinux"),
        (f"{CLI}initialization error: change root failed: no such file or directory", "", "`root` in"),
        (f"{CLI}mount error: stat failed: /proc/driver/nvidia/gpus/0000:01:00.0: no such file", "", "nvidia-smi -L"),
        (f"{CLI}initialization error: cuda error: unknown error", "", "nvidia-modprobe -u -c=0"),
        (f"{CLI}requirement error: invalid expression", "", "older than the image's requirements"),
        (f"{CLI}mount error: mount operation failed: /usr/src/tensorrt: no such file", "", "nvidia-jetpack"),
    ],
)
def test_the_fix_is_the_solution_of_the_thread(message: str, reason: str, helps: str) -> None:
    """The text names its cause, and the cause has a fix of its own."""
    failure = failure_of(message, reason)
    assert failure is not None
    assert helps in fix_for(failure, "ml")
