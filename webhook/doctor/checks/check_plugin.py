"""The device plugin: it runs on each GPU node, and has what it needs."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.decide.plugin.unserved_plugins import UnservedPlugin
from webhook.doctor.check import Category, Check, Result, fails_on, passes, warns_on
from webhook.doctor.checks import check_plugin_log as plugin_log
from webhook.doctor.checks.check_node_gpus import HOST_PLUGIN
from webhook.doctor.checks.check_plugin_places import daemon_sets, everywhere
from webhook.doctor.checks.check_plugin_pods import running
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import known
from webhook.doctor.node_providers import BOTTLEROCKET, GKE_LABEL, gpu_drivers
from webhook.doctor.plugin_fixes import cure_of, if_it_has_a_gpu, plugin_rule
from webhook.doctor.pod_trouble import is_over
from webhook.kube.metadata import full_name, name_of, namespace_of
from webhook.kube.values import elements, items, mapping, text
from webhook.nvidia.device_plugins import DevicePlugin, Vendor
from webhook.nvidia.known_plugins import Role
from webhook.nvidia.plugin_settings import CONFIG_FLAG, CONFIG_VARIABLE
from webhook.view.plugin_projections import find_plugin, known_plugins, template_of
from webhook.view.view import Nvml

HELM_LINE = (
    "helm upgrade --install nvdp nvidia-device-plugin --repo https://nvidia.github.io/k8s-device-plugin -n kube-system"
)
GKE_PLUGIN = "GKE installs its own plugin: kubectl -n kube-system get daemonsets | grep nvidia   (add no other)"


def present(facts: ClusterFacts) -> Result:
    """Something provides GPUs: a device plugin, a service of the host, or DRA."""
    sets = [text(item.plugin.name) for item in daemon_sets(facts)]
    others = [
        f"{name_of(item)} ({plugin.name})" for item, plugin in facts.other_daemon_sets if plugin.serves_containers
    ]
    if sets or others or facts.plugins:
        return passes(", ".join((*sets, *others)))
    if ways := sorted({way for node in facts.gpu_nodes if (way := facts.providers.of_node(node))}):
        return passes(", ".join(ways))
    if any(map(facts.offers_gpus, facts.gpu_nodes)):
        return passes("the nodes offer GPUs; a service of the host, or a pod that is not visible, hands them out")
    if known(facts.gpu_clusters) or gpu_drivers(facts.view, facts.policy):
        return passes("DRA")
    missing = ["no device plugin was found, and no DeviceClass serves GPUs"]
    if known(facts.cluster_policies):
        return fails_on(
            missing, "kubectl describe clusterpolicies   (the GPU Operator installs the plugin; add no other)"
        )
    return fails_on(missing, _missing_plugin_fix(facts))


def _missing_plugin_fix(facts: ClusterFacts) -> str:
    """Return how the missing plugin comes back: some systems bring their own, and another one would harm."""
    if any(node.os_image.startswith(BOTTLEROCKET) for node in facts.gpu_nodes):
        return HOST_PLUGIN
    return GKE_PLUGIN if any(GKE_LABEL in node.labels for node in facts.gpu_nodes) else HELM_LINE


def recognised(facts: ClusterFacts) -> Result:
    """Each device plugin for GPUs is known, or works without help."""
    sick = [node for node in facts.gpu_nodes if not facts.offers_gpus(node) and not facts.providers.of_node(node)]
    found = [(item, one) for item, one in facts.other_daemon_sets if one.serves_containers and _may_be_gpus(one)]
    shown = [f"DaemonSet {full_name(item)} is {one.name}" for item, one in found]
    if not sick or not found:
        return passes(*(["; ".join(shown)] if shown else []))
    troubles = [f"{line}, which this policy does not know: its pods are not helped" for line in shown]
    return warns_on(troubles, *plugin_rule(template_of(found[0][0])))


def _may_be_gpus(plugin: DevicePlugin) -> bool:
    return plugin.vendor is Vendor.NVIDIA


def restart_needed(facts: ClusterFacts) -> Result:
    """No plugin pod lacks what it would get if it were created now."""
    stale = [item for item in facts.blind if item.is_repairable]
    troubles = (
        f"{_place(item)} was created without the webhook; now it would be {item.decision.word}" for item in stale
    )
    return fails_on(troubles, *(cure_of(item) for item in stale[:1]))


def _place(item: UnservedPlugin) -> str:
    return f"{item.pod.plugin.namespace}/{item.pod.plugin.name} on {item.pod.node}"


def left_alone(facts: ClusterFacts) -> Result:
    """No plugin pod on a GPU node lacks the driver and would be left alone again."""
    gpu_nodes = {node.name for node in facts.gpu_nodes}
    left = [item for item in facts.blind if not item.is_repairable]
    # A static manifest runs everywhere; where no node at all has a GPU, it is more than a node without one.
    state = fails_on if not any(map(facts.offers_gpus, facts.gpu_nodes)) else warns_on
    bad = [item for item in left if item.pod.node in gpu_nodes]
    shown = bad or left
    troubles = (f"{_place(item)} would be {item.decision.word}: {'; '.join(item.decision.evidence)}" for item in shown)
    fix = (cure_of(item) if bad else if_it_has_a_gpu(item.pod.node) for item in shown[:1])
    return (fails_on if bad else state)(troubles, *fix)


def config_file(facts: ClusterFacts) -> Result:
    """No configuration file contains settings that the pod does not show."""
    troubles = (
        f"DaemonSet {full_name(item)} reads {CONFIG_VARIABLE}: list strategy and device specs are not visible"
        for item in known(facts.daemon_sets)
        if any(map(_reads_file, _containers(item)))
    )
    return warns_on(troubles, "set DEVICE_LIST_STRATEGY and PASS_DEVICE_SPECS in the DaemonSet as well: they are seen")


def believed(facts: ClusterFacts) -> Result:
    """The plugins run in namespaces where the policy trusts them, unless others manage them."""
    allowed = facts.policy.bootstrap.namespaces
    found = [
        item
        for item in known(facts.daemon_sets)
        if namespace_of(item) not in allowed
        and (plugin := find_plugin(template_of(item), known_plugins(facts.policy)))
        and plugin[0].role is Role.DEVICE_PLUGIN
        and not plugin[0].manager
    ]
    troubles = (f"DaemonSet {full_name(item)}: only plugins in {', '.join(allowed)} are helped" for item in found)
    first = namespace_of(found[0]) if found else ""
    return warns_on(troubles, f"add {first} to `bootstrap.namespaces` in the policy, if tenants cannot create it")


def once(facts: ClusterFacts) -> Result:
    """No node runs two device plugins for GPUs, which would take the resource from each other."""
    pods: dict[str, list[str]] = {}
    for item, node in facts.talking:
        if node and mapping(item.get("status")).get("phase") == "Running" and not is_over(item):
            pods.setdefault(node, []).append(full_name(item))
    troubles = (
        f"{node} runs {len(names)} device plugins: {', '.join(names)}"
        for node, names in sorted(pods.items())
        if len(names) > 1
    )
    return fails_on(troubles, "keep one DaemonSet: kubectl get daemonsets -A | grep -i device-plugin")


def passes_devices(facts: ClusterFacts) -> Result:
    """Where the driver comes by mounts, the plugin passes the devices: nothing else lets a pod open them."""
    troubles = (
        f"{full_name(item)} on {pod.node} has NVML by a mount and passes no devices"
        for item, pod in facts.plugins
        if pod.plugin.nvml is Nvml.MOUNT and pod.plugin.passes_devices is False
    )
    return warns_on(troubles, "set PASS_DEVICE_SPECS=true in the plugin's DaemonSet")


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
        Check("plugin-recognised", "each device plugin for GPUs is known, or works without help", recognised),
        Check("plugin-everywhere", "each GPU node has a plugin pod", everywhere),
        Check("plugin-running", "the plugin's pods run and are ready", running),
        Check("plugin-nvml", "the plugin loads NVML", plugin_log.nvml),
        Check("plugin-driver", "the plugin's NVML finds the driver", plugin_log.driver),
        Check("plugin-devices", "the plugin finds devices", plugin_log.devices),
        Check("plugin-log", "the log of the plugin reports no other problem", plugin_log.others),
        Check("plugin-restart", "no plugin pod needs to be re-created", restart_needed),
        Check("plugin-left-alone", "no plugin pod lacks the driver and is left alone", left_alone),
        Check("plugin-config-file", "no file hides how the plugin works", config_file),
        Check("plugin-namespace", "the plugin runs in a namespace of the policy", believed),
        Check("plugin-once", "no node runs two device plugins", once),
        Check("plugin-passes-devices", "the plugin passes devices where libraries are mounted", passes_devices),
    ),
)
