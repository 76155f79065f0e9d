"""What NVIDIA's device plugin and its companions write into their logs when they cannot serve a GPU.

Texts of versions 0.9 to 0.20, tried or read: docs/platform-facts.md.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class LogProblem(StrEnum):
    """A problem that a log shows."""

    NO_NVML = "no-nvml"
    """The library libnvidia-ml.so.1 is not in the container."""
    CDI_WITHOUT_NVML = "cdi-without-nvml"
    """The same, in the words of a plugin with a CDI strategy; also on Tegra, where such strategies do not work."""
    CDI_SPECIFICATION = "cdi-specification"
    """The plugin could not write its CDI specification: files of the driver are missing."""
    LIBRARY_CRASH = "library-crash"
    """The plugin crashed in the driver's library, or misses a function there: the driver is older than the plugin."""
    ACCESS_LOST = "access-lost"
    """The container may not open its devices any more, as after ``systemctl daemon-reload``."""
    ACCESS_BLOCKED = "access-blocked"
    """On WSL2: the container lacks Windows' own library."""
    GPU_LOST = "gpu-lost"
    """The driver lost a GPU, or waits for its reset."""
    CONFIG = "config"
    """The plugin's configuration is missing or not valid."""
    VERSION_MISMATCH = "version-mismatch"
    """The kernel module and the library are of two driver versions."""
    NO_DRIVER = "no-driver"
    """NVML does not find a loaded driver."""
    DEVICE_MEMORY = "device-memory"
    """The GPU shares the processor's memory, which plugins before 0.17.4 do not know."""
    MPS = "mps"
    """The MPS control daemon is missing or not ready."""
    MIG_PERMISSION = "mig-permission"
    """The container may not read the state of MIG devices."""
    MIG_CONFIGURATION = "mig-configuration"
    """The MIG devices of the node do not fit the plugin's MIG strategy."""
    ARCHITECTURE = "architecture"
    """The image is not built for the node's architecture."""
    OPEN_FILES = "open-files"
    """The host allows too few file watches (inotify)."""
    KUBELET_SOCKET = "kubelet-socket"
    """The kubelet's socket is not where the plugin looks for it."""
    OWN_SOCKET = "own-socket"
    """The plugin may not create its socket in the kubelet's directory."""
    UNHEALTHY = "unhealthy"
    """A GPU reported an error (Xid), or cannot be asked."""
    NO_DEVICES = "no-devices"
    """The plugin found no GPU."""


@dataclass(frozen=True, slots=True)
class LogFinding:
    """A problem, and the text that shows it: the rest of its line, at most 160 characters."""

    problem: LogProblem
    text: str


LONGEST_LOG = 256 * 1024
"""Of longer logs the end is read."""
LONGEST_LINE = 160

PATTERNS = {
    LogProblem.NO_NVML: re.compile(
        r"could not load NVML library|(?:(?:[Ff]ailed to initialize NVML|nvml init failed): )?"
        r"ERROR_LIB(?:RARY_NOT_FOUND|NOTFOUND)|libnvidia-ml\.so[.\d]{0,20}: cannot open"
        r"|Incompatible (?:platform|strategy) detected|Detected non-NVML platform|NVML doesn't exist on this system"
        r"|invalid device discovery strategy"
    ),
    LogProblem.CDI_WITHOUT_NVML: re.compile(
        r"CDI (?:--device-list-strategy )?options are only supported on NVML-based systems"
    ),
    LogProblem.CDI_SPECIFICATION: re.compile(r"(?:unable|failed) to (?:create|generate) (?:cdi|CDI) spec"),
    LogProblem.LIBRARY_CRASH: re.compile(
        r"(?<!\[signal )SIGSEGV: segmentation violation|undefined symbol: nvml|ERROR_FUNCTION_NOT_FOUND"
    ),
    LogProblem.ACCESS_LOST: re.compile(
        r"(?:(?:[Ff]ailed to initialize NVML|nvml init failed|nvml): )(?:Unknown Error|ERROR_UNKNOWN)"
    ),
    LogProblem.ACCESS_BLOCKED: re.compile(
        r"(?:(?:[Ff]ailed to initialize NVML|nvml init failed): )?GPU access blocked by the operating system"
    ),
    LogProblem.GPU_LOST: re.compile(
        r"(?:(?:[Ff]ailed to initialize NVML|nvml init failed): )?"
        r"(?:(?i:GPU is lost|fallen off the bus|GPU requires reset)|ERROR_GPU_IS_LOST|ERROR_RESET_REQUIRED)"
    ),
    LogProblem.CONFIG: re.compile(
        r"unable to (?:load|parse|finalize) config|[Ee]rror parsing config|pecified config [^\n]{1,100} does not exist"
        r"|unknown (?:field|version)[^\n]{1,100}config|flag provided but not defined"
        r"|invalid --[a-z-]{1,40} option"
    ),
    LogProblem.VERSION_MISMATCH: re.compile(r"Driver/library version mismatch|ERROR_LIB_RM_VERSION_MISMATCH"),
    LogProblem.NO_DRIVER: re.compile(
        r"(?:[Ff]ailed to initialize NVML|nvml init failed): (?!ERROR_LIB|could not load|Driver/lib|"
        r"Unknown Error|ERROR_UNKNOWN|ERROR_NO_PERM|ERROR_GPU_IS|ERROR_RESET|GPU |(?i:insufficient perm))[^\"\n]{0,400}"
        r"|ERROR_DRIVER_NOT_LOADED|Driver Not Loaded"
    ),
    # Newer plugins write the same words after "Ignoring", and go on.
    LogProblem.DEVICE_MEMORY: re.compile(r"(?<!Ignoring )error getting device memory(?: info)?: Not Supported"),
    LogProblem.MPS: re.compile(
        r"[Ww]aiting for MPS daemon|MPS daemon (?:has not|is not)|using MPS requires --mps-root|[Ff]ailed to start MPS"
        r"|sharing using MPS is not supported|nvidia-cuda-mps-control\": executable file not found"
    ),
    LogProblem.MIG_PERMISSION: re.compile(
        r"(?:(?:[Ff]ailed to initialize NVML|nvml init failed): )?(?:(?i:insufficient permissions)|ERROR_NO_PERMISSION)"
    ),
    LogProblem.MIG_CONFIGURATION: re.compile(
        r"invalid MIG configuration|[Mm]ore than one MIG device type present|[Nn]o MIG devices associated"
        r"|must be configured with the same migEnabled value|migEnabled=true was not configured correctly"
    ),
    LogProblem.ARCHITECTURE: re.compile(r"exec [^\n]{1,200}exec format error"),
    LogProblem.OPEN_FILES: re.compile(r"[Ff]ailed to created? FS watcher[^\n]{0,200}too many open files"),
    LogProblem.KUBELET_SOCKET: re.compile(
        r"[Cc]ould not contact Kubelet|[Cc]ould not register device plugin|[Ff]ailed to created? FS watcher"
        r"|kubelet\.sock: connect: [^\n]{1,100}|unable to dial [^\n]{1,100}kubelet\.sock|failed to dial kubelet"
    ),
    LogProblem.OWN_SOCKET: re.compile(
        r"listen unix [^\s:]{1,200}: bind: (?:permission denied|read-only file system|operation not permitted)"
    ),
    LogProblem.UNHEALTHY: re.compile(
        r"XidCriticalError: [^\n]{1,200}|device marked unhealthy"
        r"|[Mm]arking (?:it|device|all devices)[^\n]{0,80}unhealthy"
    ),
    LogProblem.NO_DEVICES: re.compile(r"No devices found[^\"\n]{0,200}"),
}

ERROR_LINE = re.compile(r"[EF]\d{4} |(?i:\b(?:error|failed|fatal|panic)\b)")
HEADER = re.compile(r"[IWEF]\d{4} [\d:.]{8,15} {1,10}\d{1,10} [^\s\]]{1,64}\] ")
# What the plugin advises after an error.
ADVICE = ("If this is ", "You can ", "Failed to start one or more plugins")


def find_in_log(log: str, *problems: LogProblem) -> LogFinding | None:
    """Return the first of these problems that a log shows, None for none; without problems all are looked for."""
    end = log[-LONGEST_LOG:]
    found = ((name, match) for name in problems or PATTERNS if (match := PATTERNS[name].search(end)))
    # Where two begin at one place, the earlier in the table is the more specific.
    first = min(found, key=lambda each: each[1].start(), default=None)
    if first is None:
        return None
    start = first[1].start()
    return LogFinding(first[0], _short(end[start:].partition("\n")[0]))


def has_registered(log: str) -> bool:
    """Say whether a device plugin reported its devices to the kubelet."""
    return "Registered device plugin" in log[-LONGEST_LOG:]


def last_error_line(log: str) -> str:
    """Return the last line that reports an error, without time and place, empty where there is none."""
    for line in reversed(log[-LONGEST_LOG:].splitlines()):
        text = HEADER.sub("", line, count=1)
        if ERROR_LINE.search(line[: 4 * LONGEST_LINE]) and not text.startswith(ADVICE):
            return _short(text)
    return ""


def last_line(log: str) -> str:
    """Return the last line of a log that is not empty."""
    return next((_short(line) for line in reversed(log[-LONGEST_LOG:].splitlines()) if line.strip()), "")


def _short(line: str) -> str:
    return " ".join(line[: 4 * LONGEST_LINE].split())[:LONGEST_LINE]
