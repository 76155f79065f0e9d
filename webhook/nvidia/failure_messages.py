"""What kubelets, container runtimes and controllers say when a GPU pod cannot start or is refused.

The texts are of Events and of ``pod.status``. Sources: docs/platform-facts.md. A text proves nothing by itself: users
may write Events, so the status of the pod decides what happened, and the text names the cause.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """The cause that a text names; in brackets what ``subject`` is."""

    HANDLER_UNKNOWN = "handler-unknown"
    """The runtime has no such handler (the handler)."""
    CDI_HOOK_MISSING = "cdi-hook-missing"
    """A CDI specification names a program that the host lacks (its path)."""
    RUNTIME_MISSING = "runtime-missing"
    """The handler is configured, its program is missing (its path)."""
    HOST_PATH_TYPE = "host-path-type"
    """A hostPath is missing or of another type (the path); ``volume`` names the volume."""
    CDI_UNRESOLVED = "cdi-unresolved"
    """The runtime knows no such CDI device (the first device)."""
    CONTAINER_CLI = "container-cli"
    """NVIDIA's legacy runtime could not prepare the container (what it says)."""
    RUNTIME_FAILED = "runtime-failed"
    """NVIDIA's runtime or one of its hooks failed (what it says)."""
    PROGRAM_MISSING = "program-missing"
    """The container starts a program of the driver, and the driver's programs are not in it (the program)."""
    DEVICE_NODE_MISSING = "device-node-missing"
    """A device file of the driver is not on the node (its path)."""
    READ_ONLY_HOST = "read-only-host"
    """A place for a mount cannot be made, as the file system is read-only (the place)."""
    GPU_LOST = "gpu-lost"
    """The driver lost a GPU, or waits for its reset (what it says)."""
    XID = "xid"
    """The driver reported an error of a GPU (its number, and what it says)."""
    MOUNT_TARGET = "mount-target"
    """A mount cannot be made in the container's file system (the place in the container)."""
    DEVICE_ALLOCATION = "device-allocation"
    """The kubelet got no device from the plugin (what it says)."""
    SHARED_TOO_MANY = "shared-too-many"
    """A container requests more than one of a shared GPU, and the plugin refuses (the resource)."""
    TOPOLOGY = "topology"
    """The kubelet's topology manager found no GPUs that fit the pod's CPUs."""
    IMAGE_PLATFORM = "image-platform"
    """The image is not built for the node's architecture."""
    IMAGE_SPACE = "image-space"
    """The node's disk is full."""
    IMAGE = "image"
    """The image cannot be pulled."""
    DEVICE_CLAIM = "device-claim"
    """A DRA driver could not prepare a claim (what it says)."""
    CLASS_NOT_FOUND = "class-not-found"
    """There is no such RuntimeClass (the class)."""
    CLASS_SCHEDULING = "class-scheduling"
    """The RuntimeClass's node selector contradicts the pod's (what the API server says)."""
    CLASS_OVERHEAD = "class-overhead"
    """The pod's overhead is not the RuntimeClass's."""
    TOLERATIONS = "tolerations"
    """The namespace does not allow the pod's tolerations."""
    QUOTA = "quota"
    """A ResourceQuota is used up (the quota)."""
    QUOTA_SCOPE = "quota-scope"
    """Pods of this priority class need a ResourceQuota in their namespace (the classes)."""
    LIMIT_RANGE = "limit-range"
    """A LimitRange of the namespace (what it says)."""
    GPU_QUANTITY = "gpu-quantity"
    """The API server refuses the quantity of a resource (which, and why)."""
    POD_SECURITY = "pod-security"
    """PodSecurity of the namespace (the level)."""
    SECURITY_CONTEXT_CONSTRAINTS = "security-context-constraints"
    """OpenShift's SecurityContextConstraints."""
    ADMISSION_POLICY = "admission-policy"
    """A ValidatingAdmissionPolicy (the policy)."""
    ADMISSION_WEBHOOK = "admission-webhook"
    """An admission webhook (the webhook)."""
    CONTAINER_START = "container-start"
    """The container could not be started, for another cause."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A cause, and the name that the text gives for it, see ``FailureKind``."""

    kind: FailureKind
    subject: str = ""
    volume: str = ""


LONGEST_TEXT = 8192
"""Of longer texts the beginning is read. Events have at most 1,024 characters."""

# All repetitions are bounded. Quotation marks may be escaped, where one message quotes another.
QUOTE = r'\\?["\']'
NAME = r"([^\"'\\\s]{1,253})"
PATH = r"([^\s\"'\\:]{1,512})"
PROGRAM = r"[^\s\"'\\:]{0,400}"
HOOKS = rf"({PROGRAM}nvidia-(?:cdi-hook|ctk))"
RUNTIMES = rf"({PROGRAM}(?:nvidia-container-runtime|containerd-shim)[a-z0-9.-]{{0,40}})"
FAILED = r"(?:error|failed|exit status|exit code)"
ABSENT = r"(?:stat [^\s:]{1,512}: )?(?:no such file or directory|executable file not found|file does not exist)"


def _absent_program(program: str) -> tuple[str, ...]:
    return (
        rf"fork/exec {program}: no such file or directory",
        rf"exec: {QUOTE}{program}{QUOTE}: {ABSENT}",
        rf"binary not installed {QUOTE}{program}{QUOTE}: {ABSENT}",
    )


# The first that is found counts: the cause comes before what follows from it.
PATTERNS: tuple[tuple[FailureKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, patterns in (
        (
            FailureKind.HANDLER_UNKNOWN,
            (
                rf"no runtime for {QUOTE}{NAME}{QUOTE} is configured",  # containerd 1.x and 2.x
                rf"failed to find runtime handler {NAME} from runtime list",  # CRI-O
                rf"RuntimeHandler {QUOTE}{NAME}{QUOTE} not supported",  # cri-dockerd, dockershim
            ),
        ),
        (FailureKind.CDI_HOOK_MISSING, _absent_program(HOOKS)),
        (
            FailureKind.RUNTIME_MISSING,
            (*_absent_program(RUNTIMES), r"no runtime binary found from candidate list: \[([^\]\n]{0,253})\]"),
        ),
        (
            FailureKind.PROGRAM_MISSING,
            (
                rf"exec: {QUOTE}(nvidia-[a-z-]{{1,40}}){QUOTE}: {ABSENT}",
                r"executable file `?(nvidia-[a-z-]{1,40})`? not found",  # crun
            ),
        ),
        (
            FailureKind.DEVICE_NODE_MISSING,
            (
                rf"failed to stat CDI host device {QUOTE}{PATH}{QUOTE}",
                rf"while adding custom device {QUOTE}{PATH}{QUOTE}",
                r"stat(?: failed:)? (/dev/nvidia[a-z0-9/-]{0,60}): no such file or directory",
            ),
        ),
        (
            FailureKind.GPU_LOST,
            (r"((?i:GPU is lost|fallen off the bus|GPU requires reset)[^\n]{0,200})",),
        ),
        (FailureKind.XID, (r"NVRM: Xid \([^)\n]{1,64}\): (\d{1,4}[^\n]{0,200})",)),
        (FailureKind.READ_ONLY_HOST, (rf"mkdir {QUOTE}?(/[^\s\"'\\:]{{1,512}}){QUOTE}?: read-only file system",)),
        (
            FailureKind.SHARED_TOO_MANY,
            (rf"request for {QUOTE}([^\s\"':]{{1,253}}): [^\n]{{1,40}} too large: maximum request size for shared",),
        ),
        (FailureKind.TOPOLOGY, (r"Resources cannot be allocated with Topology locality",)),
        (FailureKind.IMAGE_PLATFORM, (r"no match for platform in manifest|no image found in manifest list for arch",)),
        (FailureKind.IMAGE_SPACE, (r"[Ff]ailed to (?:pull|extract|copy)[^\n]{1,2000}no space left on device",)),
        # Kubernetes 1.37 writes a comma where the path does not exist.
        (FailureKind.HOST_PATH_TYPE, (rf"hostPath type check failed[:,] {PATH} is not an? ",)),
        (FailureKind.CDI_UNRESOLVED, (r"unresolvable CDI devices? ([^\s:,]{1,512})",)),
        (FailureKind.CONTAINER_CLI, (r"nvidia-container-cli(?:\.real)?: ([^\n]{1,400})",)),
        (FailureKind.MOUNT_TARGET, (rf"to rootfs at {QUOTE}{PATH}{QUOTE}",)),
        (
            FailureKind.RUNTIME_FAILED,
            (rf"(nvidia-(?:container-runtime|cdi-hook|ctk)[^\n]{{0,400}}?{FAILED}[^\n]{{0,400}})",),
        ),
        (FailureKind.DEVICE_CLAIM, (r"Failed to prepare dynamic resources: ([^\n]{1,400})",)),
        (
            FailureKind.DEVICE_ALLOCATION,
            (
                r"Allocate failed due to ([^\n]{1,400})",
                r"((?:no healthy devices present|requested number of devices unavailable)[^\n]{0,400})",
            ),
        ),
        (FailureKind.CLASS_NOT_FOUND, (rf"RuntimeClass {QUOTE}{NAME}{QUOTE} not found",)),
        (FailureKind.CLASS_SCHEDULING, (r"conflict: (runtimeClass\.scheduling\.[^\n]{1,400})",)),
        (
            FailureKind.CLASS_OVERHEAD,
            (r"Pod's Overhead doesn't match RuntimeClass's", r"Pod Overhead set without corresponding RuntimeClass"),
        ),
        (FailureKind.TOLERATIONS, (r"pod tolerations [^\n]{0,100}conflict with its namespace whitelist",)),
        (FailureKind.QUOTA_SCOPE, (r"insufficient quota to match these scopes: \[([^\n]{1,253}?\]\}?)\]",)),
        (
            FailureKind.LIMIT_RANGE,
            (r"(m(?:ax|in)imum [^\s]{1,253} (?:usage|limit) per (?:Container|Pod) is [^\n]{1,200})",),
        ),
        (
            FailureKind.GPU_QUANTITY,
            (r"(resources\.(?:limits|requests)\[[^\]\s]{1,253}\]: (?:Invalid|Required|Forbidden)[^\n]{1,200})",),
        ),
        (FailureKind.QUOTA, (r"(?:exceeded|failed) quota: ([^\s,:]{1,253})",)),
        (FailureKind.POD_SECURITY, (rf"violates PodSecurity {QUOTE}([a-z]{{1,20}}):",)),
        (FailureKind.SECURITY_CONTEXT_CONSTRAINTS, (r"unable to validate against any security context constraint",)),
        (FailureKind.ADMISSION_POLICY, (rf"ValidatingAdmissionPolicy {QUOTE}{NAME}{QUOTE} with binding",)),
        (FailureKind.ADMISSION_WEBHOOK, (rf"admission webhook {QUOTE}{NAME}{QUOTE} denied the request",)),
        (
            FailureKind.CONTAINER_START,
            (r"failed to create (?:containerd|shim) task", r"OCI runtime create failed"),
        ),
    )
    for pattern in patterns
)
VOLUME = re.compile(rf"MountVolume\.SetUp failed for volume {QUOTE}{NAME}{QUOTE} ?:")

# Reasons of Events and of container states that name a cause without any known text.
KINDS_BY_REASON = {
    "UnexpectedAdmissionError": FailureKind.DEVICE_ALLOCATION,
    "TopologyAffinityError": FailureKind.TOPOLOGY,
    "ErrImagePull": FailureKind.IMAGE,
    "ImagePullBackOff": FailureKind.IMAGE,
    "InvalidImageName": FailureKind.IMAGE,
    "ErrImageNeverPull": FailureKind.IMAGE,
    "FailedPrepareDynamicResources": FailureKind.DEVICE_CLAIM,
    "StartError": FailureKind.CONTAINER_START,
    "RunContainerError": FailureKind.CONTAINER_START,
}


def failure_of(message: str, reason: str = "") -> Failure | None:
    """Return the cause that a text names, None where none is known.

    ``reason`` is the Event's, or that of the container's state. At most 8,192 characters of the text are read.
    """
    text = message[:LONGEST_TEXT]
    for kind, pattern in PATTERNS:
        if found := pattern.search(text):
            return Failure(kind, found[1] if pattern.groups else "", _volume(kind, text))
    by_reason = KINDS_BY_REASON.get(reason)
    return Failure(by_reason) if by_reason else None


def _volume(kind: FailureKind, text: str) -> str:
    found = VOLUME.search(text) if kind is FailureKind.HOST_PATH_TYPE else None
    return found[1] if found else ""
