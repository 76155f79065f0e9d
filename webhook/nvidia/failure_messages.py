"""What kubelets, container runtimes and controllers say when a GPU pod cannot start or is refused.

The texts are of Events and of ``pod.status``. Sources: docs/platform-facts.md. A text proves nothing by itself: users
may write Events, so the status of the pod decides what happened, and the text names the cause.
"""

import re

from webhook.nvidia.failure_kinds import Failure, FailureKind

__all__ = ["LONGEST_TEXT", "PATTERNS", "Failure", "FailureKind", "failure_of"]

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
                rf"unknown or invalid runtime name: {NAME}",  # Docker
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
                r"stat(?: failed:)? (/(?:run/nvidia/driver/)?dev/nvidia[a-z0-9/-]{0,60}): no such file or directory",
                r"mount (/dev/nvidia[a-z0-9/-]{0,60}):[^\n]{1,512}: no such file or directory",
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
            (
                rf"(nvidia-(?:container-runtime|cdi-hook|ctk)[^\n]{{0,400}}?{FAILED}[^\n]{{0,400}})",
                r"error running (?:prestart )?hook[^\n]{0,300}?(nvidia-(?:container-runtime|cdi-hook|ctk)[^\n]{0,400})",
            ),
        ),
        (
            FailureKind.CLAIM_DRIVER,
            (r"(?:DRA driver|plugin name) ([a-z0-9.-]{1,253}) (?:is not registered|not found in the list)",),
        ),
        (FailureKind.DEVICE_CLAIM, (r"Failed to prepare dynamic resources: ([^\n]{1,400})",)),
        (
            FailureKind.PLUGIN_AWAY,
            (
                r"(can't allocate unregistered device [^\s,]{1,253})",
                r"(?:Allocate|GetPreferredAllocation rpc) failed[^\n]{1,40}code = (Unavailable desc = [^\n]{1,200})",
            ),
        ),
        (
            FailureKind.SHARING_SCHEDULER,
            (
                r"Allocate failed due to [^\n]{0,100}((?:no binding pod|candidate pod not) found[^\n]{0,200})",
                r"Allocate failed due to [^\n]{0,100}(device number not matched|failed to find gpu id)",
            ),
        ),
        (FailureKind.NODE_FULL, (r"Node didn't have enough resource: ([^\s,]{1,253})",)),
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
        (FailureKind.QUOTA_REQUEST, (r"failed quota: [^\s:]{1,253}: must specify ([^\s,;]{1,253})",)),
        (FailureKind.QUOTA, (r"(?:exceeded|failed) quota: ([^\s,:]{1,253})",)),
        (FailureKind.POD_SECURITY, (rf"violates PodSecurity {QUOTE}([a-z]{{1,20}}):",)),
        (FailureKind.SECURITY_CONTEXT_CONSTRAINTS, (r"unable to validate against any security context constraint",)),
        (FailureKind.ADMISSION_POLICY, (rf"ValidatingAdmissionPolicy {QUOTE}{NAME}{QUOTE} with binding",)),
        (FailureKind.ADMISSION_WEBHOOK, (rf"admission webhook {QUOTE}{NAME}{QUOTE} denied the request",)),
        (FailureKind.WEBHOOK_AWAY, (rf"failed calling webhook {QUOTE}{NAME}{QUOTE}",)),
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
    "NodeAffinity": FailureKind.NODE_LABELS,
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
