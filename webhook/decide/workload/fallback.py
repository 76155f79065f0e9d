"""The fallback: rules that say whether the driver's libraries may be mounted where no RuntimeClass works."""

from collections.abc import Iterable, Iterator

from webhook.decide.decision import Reason, Verdict
from webhook.decide.guards import MOUNT_CHANGE, PRIVILEGED_CHANGE, guard_against, guards_evidence
from webhook.decide.nodes.kind import NodeKind
from webhook.decide.nodes.providers import node_provider
from webhook.decide.rule import Outcome, Rule, RuleResult, leave, leaves, no_evidence
from webhook.decide.workload.fallback_context import FallbackContext
from webhook.decide.workload.mount_setback import MOUNT_SETBACK
from webhook.decide.workload.patch_libraries import DEFAULT_LIBRARIES, is_blocked, needs_version
from webhook.observations.plugin_observation import PluginState
from webhook.policy.model import Policy
from webhook.view.view import Nvml


def _not_wanted(context: FallbackContext) -> RuleResult | None:
    if context.is_always:
        return context.leave(context.reason, "for the label value always every node must prove it")
    return context.leave(context.reason, "the fallback is off") if context.policy.fallback == "off" else None


NOT_WANTED = Rule(
    name="not wanted",
    text="The policy may turn the fallback off; a pod that requests no GPU gets no mounts.",
    check=_not_wanted,
    evidence=lambda context: [f"the policy's fallback is {context.policy.fallback}"],
    outcomes=(
        leaves(
            Reason.RUNTIME_CLASS_MISSING,
            "the RuntimeClass does not exist; a pod that names it would be rejected",
            "create it, or name another in the policy",
        ),
        leaves(
            Reason.HANDLER_MISSING,
            "no node that the pod may run on runs the class",
            "configure the NVIDIA runtime on the nodes",
        ),
        leaves(
            Reason.HANDLER_UNKNOWN,
            "nodes do not show the class's handler, and the class proves nothing (k3s and RKE2 create it everywhere)",
            "run the device plugin under the class: that proves it",
        ),
    ),
)


def _not_needed(context: FallbackContext) -> RuleResult | None:
    candidates, resources = context.candidates, context.resources
    if context.providing:
        return context.leave(context.reason, "some nodes hand GPUs out by themselves")
    if context.policy.fallback == "on" or (candidates and all(_needs_libraries(item.kind) for item in candidates)):
        return None
    if candidates and all(node_provider(item.kind, resources) for item in candidates):
        evidence = tuple(f"{item.example}: {node_provider(item.kind, resources)}" for item in candidates)
        return RuleResult(Verdict.LEAVE, Reason.PLATFORM_PROVIDES, evidence=evidence)
    return context.leave(context.reason, _why_unknown(context))


def _why_unknown(context: FallbackContext) -> str:
    if context.view.nodes is None:
        return "nodes are unknown"
    if any(item.kind.bootstrapped for item in context.candidates):
        return "only our own mount shows a need for them"
    return "nodes are not known to need them"


def _needs_libraries(kind: NodeKind) -> bool:
    """Say whether pods on such nodes are known to get no library without us.

    Our own mount proves nothing: it was never seen that the plugin fails without it.
    """
    if kind.of_platform or kind.observed_plain is PluginState.HEALTHY:
        return False
    if kind.template_nvml is Nvml.NEITHER:
        return kind.observed is PluginState.BLIND
    # The author's plugin would not need a mount if the default runtime were NVIDIA's.
    got_it = kind.observed is PluginState.HEALTHY or (kind.observed is None and kind.plugin_runs)
    return kind.template_nvml is Nvml.MOUNT and got_it


NOT_NEEDED = Rule(
    name="not needed",
    text="Mount only where every candidate is known to need it; a platform that provides the driver is not touched.",
    check=_not_needed,
    evidence=lambda context: [f"the policy's fallback is {context.policy.fallback}", *context.evidence()],
)


def _refused(context: FallbackContext) -> RuleResult | None:
    guard = guard_against(_change(context.policy), context.guarded)
    if guard and not (guard.is_grantable and context.policy.host_path_granted):
        return context.leave(guard.reason, guard.why)
    if context.view.api_groups is None and not context.policy.host_path_granted:
        return context.leave(Reason.POD_SECURITY, "the cluster's admission policies are unknown")
    return None


def _change(policy: Policy) -> frozenset[str]:
    return PRIVILEGED_CHANGE if policy.devices == "privileged" else MOUNT_CHANGE


def _guard_evidence(context: FallbackContext) -> Iterator[str]:
    yield from guards_evidence(context.guarded)
    if context.policy.host_path_granted:
        yield "the policy grants hostPath"


REFUSED = Rule(
    name="refused",
    text="Where admission would refuse a hostPath volume, the patched pod would be rejected.",
    check=_refused,
    evidence=_guard_evidence,
    outcomes=(
        leaves(
            Reason.POD_SECURITY,
            "hostPath volumes or privileges would be refused: PodSecurity, SecurityContextConstraints",
            "create the RuntimeClass, or allow them and set `hostPathGranted` (a plugin pod: "
            "`bootstrap.privilegedGranted`)",
        ),
    ),
)


def _driver_unfit(context: FallbackContext) -> RuleResult | None:
    kinds = [item.kind for item in context.candidates]
    drivers = {kind.driver for kind in kinds}
    versions = {kind.driver_version for kind in kinds} if needs_version(context.policy) else {"-"}
    if not drivers or None in drivers or "" in versions:
        return context.leave(Reason.DRIVER_UNKNOWN, "the nodes' driver is not known")
    if len(drivers) > 1 or len(versions) > 1:
        return context.leave(Reason.DRIVER_MIXED, "nodes differ in their driver")
    if not all(_is_proven(kind, context.policy) for kind in kinds):
        return context.leave(Reason.DRIVER_UNPROVEN, "no profile vouches for the driver's files")
    return None


def _is_proven(kind: NodeKind, policy: Policy) -> bool:
    """Say whether every library is where the profile says: a missing file keeps a pod waiting forever."""
    if kind.driver is None or kind.nvml_directory not in ("", kind.driver.directory):
        return False
    return kind.driver.complete or set(DEFAULT_LIBRARIES) <= set(policy.libraries)


def _driver_evidence(context: FallbackContext) -> Iterable[str]:
    yield from context.evidence()
    for item in context.candidates:
        if item.kind.driver and item.kind.driver.complete:
            yield f"{item.example}: its distribution ships every default library with NVML"


DRIVER_UNFIT = Rule(
    name="driver unfit",
    text="One pod can name only one driver's files, and a missing file keeps it waiting forever.",
    check=_driver_unfit,
    evidence=_driver_evidence,
    outcomes=(
        leaves(
            Reason.DRIVER_UNKNOWN,
            "no driver profile says where these nodes keep the libraries",
            "add one: `drivers` in the policy; or create the RuntimeClass, where nodes have its handler",
        ),
        leaves(
            Reason.DRIVER_MIXED,
            "the nodes differ in their driver, and one pod can name only one",
            "select nodes of one kind",
        ),
        leaves(
            Reason.DRIVER_UNPROVEN,
            "it is not certain that every library exists; a missing file would keep the pod waiting",
            "list them in `libraries`, or add a profile with `complete: true`",
        ),
    ),
)


def _mount(context: FallbackContext) -> RuleResult:
    files = context.files
    if any(is_blocked(container, files) for container in context.containers):
        return leave(Reason.MOUNT_CONFLICT, "the author mounts something at every place for a library")
    return RuleResult(Verdict.MOUNT, context.reason, _devices_warning(context), context.evidence(), files)


def _devices_warning(context: FallbackContext) -> str:
    if context.policy.devices != "plugin":
        return ""
    passes = [item.kind.passes_devices for item in context.candidates if item.kind.nvml is not None]
    if False in passes:
        return "libraries are mounted, but the device plugin passes no devices (set PASS_DEVICE_SPECS=true)"
    if None in passes:
        return "libraries are mounted; the device plugin may pass no devices: set its PASS_DEVICE_SPECS=true"
    return ""


INSTEAD = "the driver's libraries are mounted instead"
MOUNT = Rule(
    name="mount",
    text="Mount the files, unless the author's own mounts leave one of them no place.",
    check=_mount,
    evidence=no_evidence,
    outcomes=(
        Outcome(Verdict.MOUNT, Reason.RUNTIME_CLASS_MISSING, f"the RuntimeClass does not exist; {INSTEAD}"),
        Outcome(Verdict.MOUNT, Reason.HANDLER_MISSING, f"no node runs the class; {INSTEAD}"),
        Outcome(Verdict.MOUNT, Reason.HANDLER_UNKNOWN, f"nodes do not show the class's handler; {INSTEAD}"),
        leaves(
            Reason.MOUNT_CONFLICT,
            "the author mounts something at every place for a library (a plugin pod: at or around `/usr/local/lib`, or "
            "a volume has the name of ours)",
        ),
    ),
)

FALLBACK_RULES = (NOT_WANTED, NOT_NEEDED, REFUSED, DRIVER_UNFIT, MOUNT_SETBACK, MOUNT)
