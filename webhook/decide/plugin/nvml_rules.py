"""Rules for the recipe ``nvml``: is NVML enough for the plugin, is a privileged pod admitted, and which file."""

from collections.abc import Iterator

from webhook.decide.decision import Reason, Verdict
from webhook.decide.guards import PLUGIN_CHANGE, guard_against, guards_evidence
from webhook.decide.plugin.class_rules import setback_result
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.gpu_evidence import gpu_evidence
from webhook.decide.plugin.patches import LIBRARY_PLACE, is_place_taken, taken_names
from webhook.decide.pod_security import ENFORCE_LABEL
from webhook.decide.rule import Outcome, Rule, RuleResult, leave, leaves, no_evidence
from webhook.decide.warning_text import WARNING_LIMIT, WARNING_PREFIX
from webhook.nvidia.known_plugins import Role
from webhook.nvidia.plugin_settings import list_strategies, plugin_settings
from webhook.nvidia.plugin_support import nvml_suffices
from webhook.nvidia.profile_lines import profile_line, profile_lines
from webhook.nvidia.special_hosts import is_wsl, special_host
from webhook.view.plugin_projections import driver_roots

MPS = "the MPS daemon runs programs of the host"


def _nvml_insufficient(context: PluginContext) -> RuleResult | None:
    why = _why_insufficient(context)
    if not why:
        return None
    warning = f'{why}; it needs RuntimeClass "{context.policy.runtime_class}"'
    return leave(Reason.NVML_INSUFFICIENT, why, warning)


def _why_insufficient(context: PluginContext) -> str:
    for container in context.containers:
        strategies, role = list_strategies(container.spec), context.roles[container.pointer]
        if role is Role.DEVICE_PLUGIN and plugin_settings(container.spec).discovery_strategy == "tegra":
            return "discovery strategy tegra reads the libraries of Tegra systems"
        if nvml_suffices(role, strategies) is False:
            cdi = next((name for name in sorted(strategies or ()) if name.startswith("cdi-")), "")
            return f"list strategy {cdi} describes the whole driver" if cdi else MPS
    if context.facts.is_wsl or (context.node and is_wsl(context.node)):
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
    guard = guard_against(PLUGIN_CHANGE, context.guarded)
    if guard is None or (guard.is_grantable and context.policy.bootstrap.privileged_granted):
        return None
    if not guard.is_grantable:
        warning = f"the plugin must be privileged: label the namespace {ENFORCE_LABEL}=privileged"
        return leave(guard.reason, f"PodSecurity of the namespace is {context.guarded.level}", warning)
    return leave(guard.reason, guard.why, f"{guard.why}: allow it and set bootstrap.privilegedGranted")


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
    # A driver root that failed here says more than that the file's place is not known.
    if failed := setback_result(context, "nvml") or (not context.library and setback_result(context, "driver-root")):
        return failed
    if not context.library:
        return _driver_unknown(context)
    if root := _root_elsewhere(context):
        why = f"the pod's driver root is {root}: a plugin from 0.18.1 on finds NVML there"
        return leave(Reason.DRIVER_UNKNOWN, why, f"{why}; left alone")
    if names := taken_names(context.base.spec):
        warning = f"the plugin has a volume of its own named {names[0]}; pod left alone"
        return leave(Reason.MOUNT_CONFLICT, f"volume name {names[0]} is taken", warning)
    if any(is_place_taken(container, LIBRARY_PLACE) for container in context.containers):
        # A file below a read-only volume would keep the container from starting.
        warning = f"the plugin mounts something of its own at or around {LIBRARY_PLACE}; pod left alone"
        return leave(Reason.MOUNT_CONFLICT, f"{LIBRARY_PLACE} is taken", warning)
    profile = f"the driver profile of {node} has {context.library}"
    return RuleResult(
        Verdict.BOOTSTRAP, Reason.NVML, evidence=(*gpu_evidence(context.base, node, context.facts), profile)
    )


def _root_elsewhere(context: PluginContext) -> str:
    """Return the author's driver root on the host if the profile's library is not below it, empty otherwise."""
    roots = (root for container in context.containers for root in driver_roots(context.base.spec, container.spec))
    return next((root for root in roots if not context.library.startswith(f"{root.rstrip('/')}/")), "")


def _driver_unknown(context: PluginContext) -> RuleResult:
    """Leave the pod alone, with what helps: the RuntimeClass to create, or the lines for the policy."""
    node, name = context.node, context.node_name
    evidence = [f"no driver profile for {name}"]
    if handler := _unused_handler(context):
        wanted = f"create RuntimeClass {context.policy.runtime_class} with handler {handler}"
        evidence.append(f"{name} reports the handler {handler}, and the RuntimeClass does not exist")
        return RuleResult(Verdict.LEAVE, Reason.DRIVER_UNKNOWN, f"{wanted}, which node {name} reports", tuple(evidence))
    warning = f"the driver of node {name} is not known; `why` and `preview --explain` show lines for the policy"
    if node and context.driver:
        warning = f"node {name} does not show its driver's version, which bootstrap.library needs"
        evidence = [warning]
    elif node:
        kind = special_host(node)
        if why := kind.why if kind else context.facts.why_unusual:
            evidence.append(why)
            warning = f"node {name}: {why}"
        # With a ready profile the person needs nothing else; a host that reports to be unusual would not use it.
        if (line := profile_line(node)) and (kind or not context.facts.is_unusual_host):
            evidence.extend(("lines for the policy, to be checked on the host:", *profile_lines(node)))
            warning = _fitting(f"driver of {name} not known; for the policy: {line}", f"add {line}") or warning
    return RuleResult(Verdict.LEAVE, Reason.DRIVER_UNKNOWN, warning, tuple(evidence))


def _fitting(*texts: str) -> str:
    """Return the first text that is not cut as a warning, empty if all are: half a line is no help."""
    return next((text for text in texts if len(WARNING_PREFIX) + len(text) <= WARNING_LIMIT), "")


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
