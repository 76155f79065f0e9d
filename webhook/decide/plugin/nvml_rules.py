"""Rules for the recipe ``nvml``: is NVML enough for the plugin, is a privileged pod admitted, and which file."""

from collections.abc import Iterator

from webhook.decide.decision import Reason, Verdict
from webhook.decide.guards import ENFORCE_LABEL, PRIVILEGED_CHANGE, guard_against, guards_evidence
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.gpu_evidence import gpu_evidence
from webhook.decide.plugin.patches import LIBRARY_PLACE, is_library_place_taken, taken_names
from webhook.decide.rule import Outcome, Rule, RuleResult, leave, leaves, no_evidence
from webhook.nvidia.known_plugins import Role
from webhook.nvidia.plugin_settings import list_strategies


def _nvml_insufficient(context: PluginContext) -> RuleResult | None:
    why = _why_insufficient(context)
    if not why:
        return None
    warning = f'{why}; NVML is not enough, it needs RuntimeClass "{context.policy.runtime_class}"'
    return leave(Reason.NVML_INSUFFICIENT, why, warning)


def _why_insufficient(context: PluginContext) -> str:
    if context.plugin and context.plugin.role is Role.MPS_CONTROL_DAEMON:
        return "the MPS daemon runs programs of the host"
    for container in context.containers:
        strategies = list_strategies(container.spec) or ()
        if cdi := next((name for name in sorted(strategies) if name.startswith("cdi-")), ""):
            return f"list strategy {cdi} describes the whole driver"
    if context.driver and context.driver.directory.startswith("/usr/lib/wsl/"):
        return "under WSL2 NVML loads other libraries of the host"
    return ""


def _strategy_evidence(context: PluginContext) -> Iterator[str]:
    for container in context.containers:
        strategies = list_strategies(container.spec)
        shown = "unknown" if strategies is None else ", ".join(sorted(strategies))
        yield f"{container.spec.get('name')}: device list strategies {shown}"


NVML_INSUFFICIENT = Rule(
    name="nvml insufficient",
    text="Some plugins need more of the host than NVML, so the patch would only add privileges.",
    check=_nvml_insufficient,
    evidence=_strategy_evidence,
    outcomes=(
        leaves(
            Reason.NVML_INSUFFICIENT,
            "a plugin pod that needs more of the host than NVML: the MPS daemon, a `cdi-*` list strategy, WSL2",
            "create the RuntimeClass, and configure its handler on the node",
        ),
    ),
)


def _pod_security(context: PluginContext) -> RuleResult | None:
    guard = guard_against(PRIVILEGED_CHANGE, context.guarded)
    if guard is None or (guard.is_grantable and context.policy.bootstrap.privileged_granted):
        return None
    if not guard.is_grantable:
        warning = f"the plugin must be privileged: label the namespace {ENFORCE_LABEL}=privileged"
        return leave(guard.reason, f"PodSecurity of the namespace is {context.guarded.level}", warning)
    return leave(guard.reason, guard.why, f"{guard.why}: allow the plugin's pod, set bootstrap.privilegedGranted")


def _pod_security_evidence(context: PluginContext) -> Iterator[str]:
    yield from guards_evidence(context.guarded)
    yield f"bootstrap.privilegedGranted is {str(context.policy.bootstrap.privileged_granted).lower()}"


POD_SECURITY = Rule(
    name="pod security",
    text="Admission must accept a privileged pod; outside kube-system only where the namespace's label says so.",
    check=_pod_security,
    evidence=_pod_security_evidence,
)


def _nvml(context: PluginContext) -> RuleResult:
    node = context.node_name
    if not context.library:
        warning = f"the driver of node {node} is not known; add a profile under `drivers` in the policy"
        if handler := _unused_handler(context):
            warning = (
                f"create RuntimeClass {context.policy.runtime_class} with handler {handler}, which node {node} reports"
            )
        return leave(Reason.DRIVER_UNKNOWN, f"no driver profile for {node}", warning)
    if names := taken_names(context.base.spec):
        warning = f"the plugin has a volume of its own named {names[0]}; pod left alone"
        return leave(Reason.MOUNT_CONFLICT, f"volume name {names[0]} is taken", warning)
    if any(is_library_place_taken(container) for container in context.containers):
        # A file below a read-only volume would keep the container from starting.
        warning = f"the plugin mounts something of its own at or around {LIBRARY_PLACE}; pod left alone"
        return leave(Reason.MOUNT_CONFLICT, f"{LIBRARY_PLACE} is taken", warning)
    profile = f"the driver profile of {node} has {context.library}"
    return RuleResult(Verdict.BOOTSTRAP, Reason.NVML, evidence=(*gpu_evidence(context.base, node), profile))


def _unused_handler(context: PluginContext) -> str:
    """Return the node's NVIDIA handler that the missing RuntimeClass would make usable, empty for none."""
    if context.base.runtime_class or context.node is None or context.base.view.runtime_classes is None:
        return ""
    handlers = sorted(name for name in context.node.handlers or () if "nvidia" in name)
    wanted = context.policy.runtime_class
    return wanted if wanted in handlers else next(iter(handlers), "")


NVML = Rule(
    name="nvml",
    text="Where a driver profile says where NVML is, that one library is mounted.",
    check=_nvml,
    evidence=no_evidence,
    outcomes=(
        Outcome(
            Verdict.BOOTSTRAP,
            Reason.NVML,
            "a plugin pod; it got the driver's management library (NVML), `/dev` and privileges",
        ),
    ),
)
