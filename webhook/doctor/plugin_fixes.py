"""The fix for a plugin pod that finds no GPU, by the decision on the next pod."""

from collections.abc import Mapping
from typing import Any

from webhook.decide.decision import Reason
from webhook.decide.plugin.unserved_plugins import UnservedPlugin
from webhook.decide.pod_security import ENFORCE_LABEL
from webhook.decide.warning_text import WARNING_PREFIX
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import CannotTellError, known
from webhook.doctor.install_fixes import install_again
from webhook.kube.metadata import labels_of, name_of, namespace_of
from webhook.kube.values import elements, items, mapping, text
from webhook.nvidia.known_plugins import CHART_LABEL

NEXT = "kubectl -n {namespace} delete pod {pod}"
CURES = {
    Reason.NO_GPU_EVIDENCE: f"if {{node}} has a GPU: kubectl label node {{node}} nvidia.com/gpu.present=true && {NEXT}",
    Reason.POD_SECURITY: f"kubectl label namespace {{namespace}} {ENFORCE_LABEL}=privileged && {NEXT}",
    Reason.NAMESPACE_NOT_ALLOWED: f"add {{namespace}} to `bootstrap.namespaces` in the policy, then {NEXT}",
    Reason.RECIPE_OFF: f"set `bootstrap.recipe: auto` in the policy, then {NEXT}",
    Reason.OPTED_OUT: "remove the label gpu-injector.io/inject=disabled from the DaemonSet's template",
    Reason.HANDLER_UNKNOWN: f"set `bootstrap.recipe: auto` in the policy, then {NEXT}",
    Reason.NVML_INSUFFICIENT: f"configure NVIDIA's runtime on {{node}}, create the RuntimeClass, then {NEXT}",
    Reason.OPERATOR_MANAGED: "kubectl get clusterpolicies -o yaml   (the GPU Operator looks after this pod)",
}
# The decision's own warning contains the fix: a line for the policy, the RuntimeClass to create, what to allow.
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
UNDER_CLASS = "its RuntimeClass brings no driver on {node}: on it, run nvidia-smi and nvidia-ctk cdi list"
HIDDEN = (
    "the RuntimeClass works on {node}, and NVIDIA's runtime gives nothing to this unprivileged container "
    "(accept-nvidia-visible-devices-envvar-when-unprivileged is false): set `bootstrap.recipe: nvml` in the policy, or "
    "give the container the capability SYS_ADMIN in its DaemonSet, then " + NEXT
)
OURS = (
    "gpu-injector mounted {directory} of {node}, which has no NVML: name the driver's directory under `drivers` in the "
    "policy, then " + NEXT
)
NOT_KNOWN = "name this plugin under `bootstrap.plugins` in the policy (see plugin-recognised), then " + NEXT
MOUNTED = "{directory} of {node} has no NVML, or LD_LIBRARY_PATH does not name where it is mounted"
ROOTED = "/usr of {node} has no NVML where the plugin looks: name its directory under `drivers` in the policy"
LOOK = "kubectl -n {namespace} logs {pod}"


def cure_of(blind: UnservedPlugin) -> str:
    """Return the fix for a blind pod."""
    plugin = blind.pod.plugin
    cure = NEXT if blind.is_repairable else CURES.get(blind.decision.reason, LOOK)
    names = {"namespace": plugin.namespace, "pod": plugin.name, "node": blind.pod.node}
    warnings, reason = blind.decision.warnings, blind.decision.reason
    if warnings and (reason in BY_WARNING or (reason is Reason.POD_SECURITY and ENFORCE_LABEL not in warnings[0])):
        # A warning may hold braces, so it is not formatted.
        return f"{warnings[0].removeprefix(WARNING_PREFIX)}; then {NEXT.format(**names)}"
    return cure.format(**names)


def cure_for(facts: ClusterFacts, pod: Mapping[str, Any], node: str) -> str:
    """Return the fix for a plugin pod whose log says that it has no NVML, as far as the facts show it."""
    names = {"namespace": namespace_of(pod), "pod": name_of(pod), "node": node}
    try:
        return _cure(facts, pod, node).format(**names)
    except CannotTellError:
        return LOOK.format(**names)


def _cure(facts: ClusterFacts, pod: Mapping[str, Any], node: str) -> str:
    if facts.registration is None:
        return f"{install_again(facts)}, then {NEXT}"
    found = next((item for item in facts.blind if item.pod.plugin.name == name_of(pod)), None)
    return cure_of(found) if found else _cure_of_served(facts, pod, node)


def _cure_of_served(facts: ClusterFacts, pod: Mapping[str, Any], node: str) -> str:
    """Return the fix for a pod that has a class or a mount, or that the webhook leaves alone."""
    if any(item is pod for item, _ in facts.others):
        return NOT_KNOWN
    if text(mapping(pod.get("spec")).get("runtimeClassName")):
        return HIDDEN if _knows_class(facts, node) and not _is_privileged(pod) else UNDER_CLASS
    if namespace_of(pod) not in facts.policy.bootstrap.namespaces:
        return CURES[Reason.NAMESPACE_NOT_ALLOWED]
    plugin = next((shown.plugin for item, shown in facts.plugins if item is pod), None)
    if plugin is None or not plugin.nvml_directory:
        return ROOTED if plugin and plugin.bootstrapped else LOOK
    return (OURS if plugin.bootstrapped else MOUNTED).replace("{directory}", plugin.nvml_directory)


def _knows_class(facts: ClusterFacts, node: str) -> bool:
    """Say whether a node reports the handler of the policy's class."""
    handler = next(
        (
            text(item.get("handler"))
            for item in known(facts.runtime_classes)
            if name_of(item) == facts.policy.runtime_class
        ),
        "",
    )
    found = facts.node_facts.get(node)
    return found is not None and handler in (found.handlers or ())


def _is_privileged(pod: Mapping[str, Any]) -> bool:
    contexts = [mapping(item.get("securityContext")) for item in items(mapping(pod.get("spec")).get("containers"))]
    added = [word for context in contexts for word in elements(mapping(context.get("capabilities")).get("add"))]
    return any(context.get("privileged") is True for context in contexts) or "SYS_ADMIN" in added


def if_it_has_a_gpu(node: str) -> str:
    """Return the fix for a plugin on a node without evidence of a GPU: nothing, if it has none."""
    return f"nothing, if {node} has no GPU; if it has one: kubectl label node {node} nvidia.com/gpu.present=true"


def plugin_rule(template: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the lines of the policy that make a device plugin known."""
    labels = labels_of(template)
    key = next((key for key in (CHART_LABEL, "name", "app", "k8s-app") if key in labels), min(labels, default="name"))
    container = next(items(mapping(template.get("spec")).get("containers")), {})
    return (
        "add to the policy, if its pods need the driver's library; install no other device plugin beside it:",
        "bootstrap:",
        "  plugins:",
        f"    - label: {key}",
        f"      value: {labels.get(key, 'VALUE')}",
        f"      container: {text(container.get('name'))}",
    )
