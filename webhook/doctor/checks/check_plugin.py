"""The device plugin: whether it is where the GPUs are, runs, and has what it needs."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from webhook.doctor.check import Category, Check, Result, fails_on, passes, warns_on
from webhook.doctor.checks import check_plugin_log as plugin_log
from webhook.doctor.cluster_facts import Facts, known
from webhook.doctor.plugin_fixes import cure_of
from webhook.kube.containers import waiting_state
from webhook.kube.metadata import full_name
from webhook.kube.node_affinity import selects, tolerates_all
from webhook.kube.values import elements, items, mapping, text
from webhook.nvidia.plugin_settings import CONFIG_FLAG, CONFIG_VARIABLE
from webhook.view.plugin_projections import known_plugins
from webhook.view.projections import kinds
from webhook.view.view import Node, Nvml, PluginDaemonSet

HELM_LINE = (
    "helm upgrade --install nvdp nvidia-device-plugin --repo https://nvidia.github.io/k8s-device-plugin -n kube-system"
)


def present(facts: Facts) -> Result:
    """Something hands GPUs out: a device plugin, or DRA."""
    sets = [text(item.plugin.name) for item in _daemon_sets(facts)]
    if sets or facts.plugins:
        return passes(*sets)
    classes = [item for item in known(facts.device_classes) if mapping(item.get("spec")).get("extendedResourceName")]
    if classes:
        return passes("DRA")
    return fails_on(["no device plugin was found, and no DeviceClass serves GPUs"], HELM_LINE)


def everywhere(facts: Facts) -> Result:
    """Each GPU node has a plugin pod: the DaemonSet's selectors let it in, and its taints are tolerated."""
    sets = list(_daemon_sets(facts))
    served = {pod.node for _, pod in facts.plugins}
    troubles = (
        f"{node.name} has no device plugin: {'; '.join(_why_not(item, node) for item in sets)}"
        for node in facts.gpu_nodes
        if sets and node.name not in served
    )
    return fails_on(
        troubles,
        "change tolerations or selectors of the DaemonSet's template: a webhook is asked too late for that",
        otherwise=f"{len(served)} nodes",
    )


def _why_not(item: PluginDaemonSet, node: Node) -> str:
    if not selects(item.placement, node):
        return f"DaemonSet {item.plugin.name} does not select it"
    tolerations = items(item.placement.get("tolerations"))
    missing = [taint for taint in node.taints if not tolerates_all(tolerations, (taint,))]
    if missing:
        taints = ", ".join(f"{taint.key}={taint.value}:{taint.effect}".replace("=:", ":") for taint in missing)
        return f"DaemonSet {item.plugin.name} does not tolerate {taints}"
    return f"DaemonSet {item.plugin.name} wants to run there; its pod is missing"


def running(facts: Facts) -> Result:
    """The plugin's pods run and are ready."""
    troubles = (
        f"{full_name(item)} on {pod.node or 'no node'}: {why}"
        for item, pod in facts.plugins
        if (why := _unwell(item) or ("" if pod.running and pod.ready else "not ready"))
    )
    return fails_on(troubles, "kubectl -n NAMESPACE describe pod NAME", otherwise=f"{len(facts.plugins)} pods")


def _unwell(item: Mapping[str, Any]) -> str:
    status = mapping(item.get("status"))
    for container in items(status.get("containerStatuses")):
        if waiting := waiting_state(container):
            return f"{text(waiting.get('reason'))}, {container.get('restartCount', 0)} restarts"
    return "" if status.get("phase") == "Running" else text(status.get("phase"))


def restart_needed(facts: Facts) -> Result:
    """No plugin pod lacks what it would get if it were created now."""
    stale = [item for item in facts.blind if item.is_repairable]
    troubles = (
        f"{item.pod.plugin.name} on {item.pod.node} was made without the webhook; now it would be {item.decision.word}"
        for item in stale
    )
    return fails_on(troubles, *(cure_of(item) for item in stale[:1]))


def left_alone(facts: Facts) -> Result:
    """No plugin pod on a GPU node lacks the driver and would be left alone again."""
    gpu_nodes = {node.name for node in facts.gpu_nodes}
    left = [item for item in facts.blind if not item.is_repairable]
    # A static manifest runs everywhere; where no node at all has a GPU, it is more than a node without one.
    state = fails_on if not any(map(facts.offers_gpus, facts.gpu_nodes)) else warns_on
    bad = [item for item in left if item.pod.node in gpu_nodes]
    shown = bad or left
    troubles = (
        f"{item.pod.plugin.name} on {item.pod.node} would be {item.decision.word}: {'; '.join(item.decision.evidence)}"
        for item in shown
    )
    return (fails_on if bad else state)(troubles, *(cure_of(item) for item in shown[:1]))


def config_file(facts: Facts) -> Result:
    """No configuration file decides what the pod then does not show."""
    troubles = (
        f"DaemonSet {full_name(item)} reads {CONFIG_VARIABLE}: list strategy and device specs are not visible"
        for item in known(facts.daemon_sets)
        if any(map(_reads_file, _containers(item)))
    )
    return warns_on(troubles, "set DEVICE_LIST_STRATEGY and PASS_DEVICE_SPECS in the DaemonSet as well: they are seen")


def believed(facts: Facts) -> Result:
    """The plugins stand in namespaces where the policy believes them."""
    allowed = facts.policy.bootstrap.namespaces
    troubles = (
        f"DaemonSet {item.plugin.namespace}/{item.plugin.name}: only plugins in {', '.join(allowed)} are helped"
        for item in _daemon_sets(facts)
        if item.plugin.namespace not in allowed
    )
    return warns_on(troubles, "add the namespace to `bootstrap.namespaces`, if tenants cannot create it")


def once(facts: Facts) -> Result:
    """No node runs two device plugins, which would take the resource from each other."""
    pods = Counter(pod.node for _, pod in facts.plugins if pod.node and pod.running)
    troubles = (f"{node} runs {count} device plugins" for node, count in sorted(pods.items()) if count > 1)
    return fails_on(troubles, "keep one DaemonSet: kubectl get daemonsets -A | grep -i device-plugin")


def passes_devices(facts: Facts) -> Result:
    """Where the driver comes by mounts, the plugin passes the devices: nothing else lets a pod open them."""
    troubles = (
        f"{full_name(item)} on {pod.node} has NVML by a mount and passes no devices"
        for item, pod in facts.plugins
        if pod.plugin.nvml is Nvml.MOUNT and pod.plugin.passes_devices is False
    )
    return warns_on(troubles, "set PASS_DEVICE_SPECS=true in the plugin's DaemonSet")


def _daemon_sets(facts: Facts) -> Iterator[PluginDaemonSet]:
    project = kinds(known_plugins(facts.policy))["apps", "DaemonSet"].project
    found = map(project, known(facts.daemon_sets))
    return (item for item in found if item.plugin.hands_out_gpus)


def _containers(daemon_set: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return items(mapping(mapping(mapping(daemon_set.get("spec")).get("template")).get("spec")).get("containers"))


def _reads_file(container: Mapping[str, Any]) -> bool:
    words = [text(word) for field in ("command", "args") for word in elements(container.get(field))]
    return any(
        item.get("name") == CONFIG_VARIABLE and item.get("value") for item in items(container.get("env"))
    ) or any(word.startswith(CONFIG_FLAG) for word in words)


CATEGORY = Category(
    "device plugin",
    (
        Check("plugin-present", "something hands GPUs out", present),
        Check("plugin-everywhere", "each GPU node has a plugin pod", everywhere),
        Check("plugin-running", "the plugin's pods run and are ready", running),
        Check("plugin-nvml", "the plugin loads NVML", plugin_log.nvml),
        Check("plugin-driver", "the plugin's NVML finds the driver", plugin_log.driver),
        Check("plugin-devices", "the plugin finds devices", plugin_log.devices),
        Check("plugin-restart", "no plugin pod needs to be made again", restart_needed),
        Check("plugin-left-alone", "no plugin pod lacks the driver and is left alone", left_alone),
        Check("plugin-config-file", "no file hides how the plugin works", config_file),
        Check("plugin-namespace", "the plugin stands in a namespace of the policy", believed),
        Check("plugin-once", "no node runs two device plugins", once),
        Check("plugin-passes-devices", "the plugin passes devices where libraries are mounted", passes_devices),
    ),
)
