"""What helps a plugin pod that finds no GPU, by what the webhook would do with its next one."""

from collections.abc import Mapping
from typing import Any

from webhook.decide.decision import WARNING_PREFIX, Reason
from webhook.decide.guards import ENFORCE_LABEL
from webhook.decide.plugin.unserved_plugins import UnservedPlugin
from webhook.doctor.cluster_facts import CannotTellError, Facts
from webhook.kube.metadata import metadata, name_of
from webhook.kube.values import mapping, text

NEXT = "kubectl -n {namespace} delete pod {pod}"
CURES = {
    Reason.NO_GPU_EVIDENCE: f"kubectl label node {{node}} nvidia.com/gpu.present=true && {NEXT}",
    Reason.POD_SECURITY: f"kubectl label namespace {{namespace}} {ENFORCE_LABEL}=privileged && {NEXT}",
    Reason.NAMESPACE_NOT_ALLOWED: f"add {{namespace}} to `bootstrap.namespaces` in the policy, then {NEXT}",
    Reason.RECIPE_OFF: f"set `bootstrap.recipe: auto` in the policy, then {NEXT}",
    Reason.OPTED_OUT: "remove the label gpu-injector.io/inject=disabled from the DaemonSet's template",
    Reason.HANDLER_UNKNOWN: f"set `bootstrap.recipe: auto` in the policy, then {NEXT}",
    Reason.NVML_INSUFFICIENT: f"configure NVIDIA's runtime on {{node}}, create the RuntimeClass, then {NEXT}",
    Reason.OPERATOR_MANAGED: "kubectl get clusterpolicies -o yaml   (the GPU Operator looks after this pod)",
}
# The decision's own warning says what helps: a line for the policy, the RuntimeClass to create, what to allow.
BY_WARNING = frozenset(
    {
        Reason.ADMISSION_POLICY,
        Reason.CLASS_MISMATCH,
        Reason.CLASS_OVERHEAD,
        Reason.DRIVER_UNKNOWN,
        Reason.SETBACK,
        Reason.SCHEDULING_CONFLICT,
    }
)
NOT_INSTALLED = f"kubectl apply -f deploy/install.yaml, then {NEXT}"
UNDER_CLASS = "its RuntimeClass brings no driver on {node}: see the check runtime-handler"
MOUNTED = "{directory} of {node} has no NVML, or LD_LIBRARY_PATH does not name where it is mounted"
ROOTED = "/usr of {node} has no NVML where the plugin looks: name its directory under `drivers` in the policy"
LOOK = "kubectl -n {namespace} logs {pod}"


def cure_of(blind: UnservedPlugin) -> str:
    """Return what helps a blind pod."""
    plugin = blind.pod.plugin
    cure = NEXT if blind.is_repairable else CURES.get(blind.decision.reason, LOOK)
    names = {"namespace": plugin.namespace, "pod": plugin.name, "node": blind.pod.node}
    warnings, reason = blind.decision.warnings, blind.decision.reason
    if warnings and (reason in BY_WARNING or (reason is Reason.POD_SECURITY and ENFORCE_LABEL not in warnings[0])):
        # A warning may hold braces, so it is not formatted.
        return f"{warnings[0].removeprefix(WARNING_PREFIX)}; then {NEXT.format(**names)}"
    return cure.format(**names)


def cure_for(facts: Facts, pod: Mapping[str, Any], node: str) -> str:
    """Return what helps a plugin pod whose log says that it has no NVML, as far as the facts tell."""
    names = {"namespace": text(metadata(pod).get("namespace")), "pod": name_of(pod), "node": node}
    try:
        found = next((item for item in facts.blind if item.pod.plugin.name == name_of(pod)), None)
        if facts.registration is None:
            return NOT_INSTALLED.format(**names)
    except CannotTellError:
        return LOOK.format(**names)
    if found:
        return cure_of(found)
    if text(mapping(pod.get("spec")).get("runtimeClassName")):
        return UNDER_CLASS.format(**names)
    if names["namespace"] not in facts.policy.bootstrap.namespaces:
        return CURES[Reason.NAMESPACE_NOT_ALLOWED].format(**names)
    plugin = next((shown.plugin for item, shown in facts.plugins if item is pod), None)
    directory = plugin.nvml_directory if plugin else ""
    blind = ROOTED if plugin and plugin.bootstrapped and not directory else LOOK
    return (MOUNTED if directory else blind).format(**names, directory=directory)
