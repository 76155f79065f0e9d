"""The answer of ``decide``: verdict, reason, operations, warnings and evidence of one pod."""

from dataclasses import dataclass
from enum import StrEnum

from webhook.decide.patch import Operation
from webhook.decide.warning_text import DRY_RUN_WARNING


class Verdict(StrEnum):
    """What is done with a pod."""

    BOOTSTRAP = "bootstrap"
    INJECT = "inject"
    LEAVE = "leave"
    MOUNT = "mount"


class Reason(StrEnum):
    """Why: the stable word for log, metric, annotation, audit, command line, tests and docs."""

    ADMISSION_POLICY = "admission-policy"
    AUTHOR_CHOSE = "author-chose"
    AUTHOR_MOUNTS = "author-mounts"
    CDI = "cdi"
    CLASS_MISMATCH = "class-mismatch"
    CLASS_OVERHEAD = "class-overhead"
    CREATOR_UNTRUSTED = "creator-untrusted"
    DRA = "dra"
    DRIVER_MIXED = "driver-mixed"
    DRIVER_ROOT = "driver-root"
    DRIVER_UNKNOWN = "driver-unknown"
    DRIVER_UNPROVEN = "driver-unproven"
    HANDLER_MISSING = "handler-missing"
    HANDLER_MIXED = "handler-mixed"
    HANDLER_UNKNOWN = "handler-unknown"
    MOUNT_CONFLICT = "mount-conflict"
    NAMESPACE_NOT_ALLOWED = "namespace-not-allowed"
    NAMESPACE_UNKNOWN = "namespace-unknown"
    NODE_UNKNOWN = "node-unknown"
    NOT_A_PLUGIN = "not-a-plugin"
    NO_GPU = "no-gpu"
    NO_GPU_EVIDENCE = "no-gpu-evidence"
    NOT_APPLICABLE = "not-applicable"
    NOT_OPTED_IN = "not-opted-in"
    NRI = "nri"
    NVML = "nvml"
    NVML_INSUFFICIENT = "nvml-insufficient"
    NVML_PROVIDED = "nvml-provided"
    OPERATOR_MANAGED = "operator-managed"
    OPTED_OUT = "opted-out"
    RECIPE_OFF = "recipe-off"
    PATCH_REFUSED = "patch-refused"
    PLATFORM_PROVIDES = "platform-provides"
    POD_SECURITY = "pod-security"
    PROVIDER_MIXED = "provider-mixed"
    RUNTIME_CLASS = "runtime-class"
    RUNTIME_CLASS_MISSING = "runtime-class-missing"
    SCHEDULING_CONFLICT = "scheduling-conflict"
    SETBACK = "setback"
    TOO_LARGE = "too-large"
    USER_NAMESPACES = "user-namespaces"
    VIEW_STALE = "view-stale"
    ZERO_QUANTITY = "zero-quantity"


@dataclass(frozen=True, slots=True)
class TemplateOwner:
    """The object whose template a pod is; empty where that is not known. The UID is empty before it is created."""

    kind: str = ""
    name: str = ""
    uid: str = ""


NO_OWNER = TemplateOwner()


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What the request says besides the pod, and how old the view was when the request arrived.

    ``runtime_classes_age_seconds`` is the time since the policy's RuntimeClass was last known to be current.
    ``is_template`` says that the pod is a controller's template, from which pods will be created, ``template_owner``
    whose it is.
    """

    namespace: str
    operation: str = "CREATE"
    resource: str = "pods"
    subresource: str = ""
    username: str = ""
    runtime_classes_age_seconds: float = 0.0
    is_template: bool = False
    template_owner: TemplateOwner = NO_OWNER

    @property
    def is_pod_creation(self) -> bool:
        """Say whether the request creates a pod."""
        return (self.operation, self.resource, self.subresource) == ("CREATE", "pods", "")


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one pod, and why.

    ``operations`` are RFC 6902, relative to the pod's root. Under ``dry_run`` they are what would be done.
    """

    verdict: Verdict
    reason: Reason
    operations: tuple[Operation, ...] = ()
    warnings: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def word(self) -> str:
        """``<verdict>/<reason>``, as annotation, audit log and people read it."""
        return f"{self.verdict}/{self.reason}"

    @property
    def needs_attention(self) -> bool:
        """Say whether a person should look: a warning says more than what a dry-run would do."""
        return any(not warning.startswith(DRY_RUN_WARNING) for warning in self.warnings)
