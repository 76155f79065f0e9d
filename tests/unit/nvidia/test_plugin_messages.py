"""A plugin's log shows why it serves no GPU."""

import pytest

from webhook.nvidia.plugin_messages import LogProblem, find_in_log, last_error_line

MAIN = "E0605 09:00:00.100000       1 main.go:173] "
RUNNING = "I0605 09:00:00.000000       1 main.go:317] Loading configuration.\n"
PLUGINS = "error starting plugins: error getting plugins: "


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Detected non-NVML platform: could not load NVML library: libnvidia-ml.so.1: cannot open", LogProblem.NO_NVML),
        ("Failed to initialize NVML: could not load NVML library.", LogProblem.NO_NVML),
        ("Failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND", LogProblem.NO_NVML),
        ("nvml init failed: ERROR_LIBRARY_NOT_FOUND", LogProblem.NO_NVML),
        ("failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND", LogProblem.NO_NVML),
        ("Incompatible platform detected", LogProblem.NO_NVML),
        ("Incompatible strategy detected auto", LogProblem.NO_NVML),
        ("NVML doesn't exist on this system", LogProblem.NO_NVML),
        (f"{PLUGINS}failed to construct resource managers: invalid device discovery strategy", LogProblem.NO_NVML),
        ("SIGSEGV: segmentation violation\nPC=0x0 m=5 sigcode=1 addr=0x0", LogProblem.LIBRARY_CRASH),
        ("nvidia-device-plugin: undefined symbol: nvmlDeviceGetGpuInstanceProfileInfoV", LogProblem.LIBRARY_CRASH),
        ("invalid --device-list-strategy option: cdi", LogProblem.CONFIG),
        (
            "listen unix /var/lib/kubelet/device-plugins/nvidia-gpu.sock: bind: permission denied",
            LogProblem.OWN_SOCKET,
        ),
        ("unable to dial /var/lib/kubelet/device-plugins/kubelet.sock: context deadline", LogProblem.KUBELET_SOCKET),
        ("libnvidia-ml.so.1: cannot open shared object file", LogProblem.NO_NVML),
        (
            "unable to validate flags: CDI --device-list-strategy options are only supported on NVML-based systems",
            LogProblem.CDI_WITHOUT_NVML,
        ),
        ("CDI options are only supported on NVML-based systems", LogProblem.CDI_WITHOUT_NVML),
        (f"{PLUGINS}unable to create cdi spec file: failed to get CDI spec", LogProblem.CDI_SPECIFICATION),
        ("failed to initialize NVML: Driver/library version mismatch", LogProblem.VERSION_MISMATCH),
        ("nvml init failed: ERROR_LIB_RM_VERSION_MISMATCH", LogProblem.VERSION_MISMATCH),
        ("failed to initialize NVML: Driver Not Loaded", LogProblem.NO_DRIVER),
        ("nvml init failed: ERROR_DRIVER_NOT_LOADED", LogProblem.NO_DRIVER),
        ("Failed to initialize NVML: Unknown Error", LogProblem.ACCESS_LOST),
        ("nvml init failed: ERROR_UNKNOWN", LogProblem.ACCESS_LOST),
        ("Failed to initialize NVML: GPU access blocked by the operating system", LogProblem.ACCESS_BLOCKED),
        ("error creating nvml.Device 5: nvml: GPU is lost", LogProblem.GPU_LOST),
        ("nvml init failed: ERROR_RESET_REQUIRED", LogProblem.GPU_LOST),
        ("unable to load config: unable to finalize config: unable to parse config file", LogProblem.CONFIG),
        ("specified config a100-shared does not exist", LogProblem.CONFIG),
        ("Incorrect Usage: flag provided but not defined: -mig", LogProblem.CONFIG),
        (f"{PLUGINS}error building Device: error getting device memory: Not Supported", LogProblem.DEVICE_MEMORY),
        ("error visiting device: error getting device memory info: Not Supported", LogProblem.DEVICE_MEMORY),
        (
            "Failed to start plugin: error waiting for MPS daemon: error checking MPS daemon health: exit status 1",
            LogProblem.MPS,
        ),
        ('"Waiting for MPS daemon to be ready" resource="nvidia.com/gpu"', LogProblem.MPS),
        ("unable to validate flags: using MPS requires --mps-root to be specified", LogProblem.MPS),
        ("Failed to start MPS daemon: error setting SELinux context", LogProblem.MPS),
        ('exec: "nvidia-cuda-mps-control": executable file not found in $PATH', LogProblem.MPS),
        ("error getting device memory info: Insufficient Permissions", LogProblem.MIG_PERMISSION),
        ("error getting MIG devices: ERROR_NO_PERMISSION", LogProblem.MIG_PERMISSION),
        ("Failed to initialize NVML: Insufficient Permissions", LogProblem.MIG_PERMISSION),
        (f"{PLUGINS}invalid MIG configuration: at least one device", LogProblem.MIG_CONFIGURATION),
        ("more than one MIG device type present on node", LogProblem.MIG_CONFIGURATION),
        (
            "all devices on the node must be configured with the same migEnabled value",
            LogProblem.MIG_CONFIGURATION,
        ),
        ("Could not contact Kubelet. Did you enable the device plugin feature gate?", LogProblem.KUBELET_SOCKET),
        ("Could not register device plugin: context deadline exceeded", LogProblem.KUBELET_SOCKET),
        ("failed to create FS watcher: no such file or directory", LogProblem.KUBELET_SOCKET),
        ("Failed to created FS watcher.", LogProblem.KUBELET_SOCKET),
        ("Error: failed to create FS watcher: too many open files", LogProblem.OPEN_FILES),
        (
            "dial unix /var/lib/kubelet/device-plugins/kubelet.sock: connect: no such file or directory",
            LogProblem.KUBELET_SOCKET,
        ),
        ("XidCriticalError: Xid=79 on Device=GPU-7540a9b3; marking device as unhealthy.", LogProblem.UNHEALTHY),
        ("'nvidia.com/gpu' device marked unhealthy: GPU-7540a9b3", LogProblem.UNHEALTHY),
        ("Error waiting for event: Unknown Error; marking all devices as unhealthy", LogProblem.UNHEALTHY),
        ("No devices found. Waiting indefinitely.", LogProblem.NO_DEVICES),
    ],
)
def test_a_line_shows_its_problem(line: str, problem: LogProblem) -> None:
    """In the words of all versions; the text begins at the problem."""
    found = find_in_log(f"{RUNNING}{MAIN}{line}\nlater")
    assert found is not None
    assert found.problem is problem
    assert found.text in line


@pytest.mark.parametrize(
    "log",
    [
        "",
        RUNNING,
        "Ignoring error getting device memory: Not Supported",
        "Registered device plugin for 'nvidia.com/gpu' with Kubelet",
        "Detected NVML platform: found NVML library",
        "Detected non-Tegra platform: /sys/devices/soc0/family file not found",
        '"MPS daemon is ready" resource="nvidia.com/gpu"',
        '"migStrategy": "mixed",',
    ],
)
def test_a_healthy_log_shows_none(log: str) -> None:
    """What newer versions ignore is no problem."""
    assert find_in_log(log) is None


def test_only_what_is_asked_for_is_found() -> None:
    """Of several problems the first in the log counts, among those that are asked for."""
    log = "Incompatible platform detected\nNo devices found. Waiting indefinitely.\n"
    assert [
        found.problem if found else None
        for found in (
            find_in_log(log),
            find_in_log(log, LogProblem.NO_DEVICES),
            find_in_log(log, LogProblem.NO_DEVICES, LogProblem.NO_NVML),
            find_in_log(log, LogProblem.MPS),
        )
    ] == [LogProblem.NO_NVML, LogProblem.NO_DEVICES, LogProblem.NO_NVML, None]


def test_the_end_of_a_long_log_is_read() -> None:
    """And at most 160 characters of a line are quoted."""
    log = "could not load NVML library\n" + "x" * 300_000 + "\nNo devices found" + " y" * 500
    found = find_in_log(log)
    assert found is not None
    assert (found.problem, len(found.text)) == (LogProblem.NO_DEVICES, 160)


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (f"{RUNNING}{MAIN}{PLUGINS}new words\n{RUNNING}", f"{PLUGINS}new words"),
        (f"{MAIN}first\n{MAIN}second\n", "second"),
        (f"{MAIN}cause\n{MAIN}If this is a GPU node, did you configure the toolkit?\n", "cause"),
        (f"{MAIN}cause\n{MAIN}You can check the prerequisites at: https://example.com\n", "cause"),
        ("2023/04/18 10:00:00 Error: cannot start", "2023/04/18 10:00:00 Error: cannot start"),
        ("panic: runtime error: index out of range", "panic: runtime error: index out of range"),
        (
            "I1030 05:12:02.805419       1 main.go:79] Failed to initialize NVML: could not load NVML library.",
            "Failed to initialize NVML: could not load NVML library.",
        ),
        ('level=fatal msg="no"', 'level=fatal msg="no"'),
        (RUNNING, ""),
        ("", ""),
        ("errors", ""),
    ],
)
def test_the_last_error_is_quoted_without_its_header(log: str, line: str) -> None:
    """The advice that follows an error is not the error."""
    assert last_error_line(log) == line
