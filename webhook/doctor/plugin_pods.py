"""Which pods speak for the device plugins of GPUs: those that serve containers, and have not been replaced."""

from collections.abc import Iterable, Iterator

from webhook.doctor.fact import ApiObject
from webhook.doctor.pod_trouble import is_over
from webhook.kube.node_affinity import target_node
from webhook.kube.values import mapping, text
from webhook.nvidia.device_plugins import DevicePlugin, Vendor, device_plugin_of
from webhook.view.plugin_projections import template_of

OfNode = tuple[ApiObject, str]


def talking_pods(
    known: Iterable[OfNode], others: Iterable[tuple[ApiObject, DevicePlugin]]
) -> tuple[tuple[ApiObject, str], ...]:
    """Return the pods of all device plugins for containers' GPUs, each with its node.

    A plugin of an unknown vendor counts only on a node without another one: it may serve network cards. A pod that has
    ended, or is being deleted, counts only on a node without another one.
    """
    serving = [(pod, plugin.vendor) for pod, plugin in others if plugin.serves_containers]
    found = [*known, *((pod, node_of(pod)) for pod, vendor in serving if vendor is not Vendor.UNKNOWN)]
    unknown = ((pod, node_of(pod)) for pod, vendor in serving if vendor is Vendor.UNKNOWN)
    found = list(_not_beside(unknown, found))
    ended = [(pod, node) for pod, node in found if is_over(pod)]
    return tuple(_not_beside(ended, [(pod, node) for pod, node in found if not is_over(pod)]))


def recognised(found: Iterable[ApiObject]) -> tuple[tuple[ApiObject, DevicePlugin], ...]:
    """Return the pods, or DaemonSets, that are device plugins, with what they are."""
    pairs = ((item, device_plugin_of(template_of(item))) for item in found)
    return tuple((item, plugin) for item, plugin in pairs if plugin is not None)


def _not_beside(more: Iterable[OfNode], found: list[OfNode]) -> Iterator[OfNode]:
    """Yield what was found, and more only on nodes where nothing was found."""
    nodes = {node for _, node in found}
    yield from found
    yield from ((pod, node) for pod, node in more if node not in nodes)


def node_of(pod: ApiObject) -> str:
    """Return the name of a pod's node, empty where it has none yet."""
    return text(mapping(pod.get("spec")).get("nodeName"))


def wanted_node(pod: ApiObject) -> str:
    """Return a pod's node, or that for which the DaemonSet controller created it."""
    return node_of(pod) or target_node(mapping(pod.get("spec")))
