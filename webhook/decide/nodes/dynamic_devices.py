"""Dynamic Resource Allocation (DRA): which GPU resources a driver serves on which node."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from webhook.kube.values import EMPTY, empty_mapping
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

NO_RESOURCES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DynamicDevices:
    """The GPU resources that DRA serves.

    ``resources`` are all that a DeviceClass names. ``by_node`` are those for which a driver published devices of the
    node, None where ResourceSlices are unknown; ``everywhere`` are those of slices that name no node.
    """

    resources: frozenset[str] = NO_RESOURCES
    by_node: Mapping[str, frozenset[str]] | None = field(default_factory=empty_mapping)
    everywhere: frozenset[str] = NO_RESOURCES

    @classmethod
    def of(cls, view: ClusterView, policy: Policy) -> Self:
        """Read the DeviceClasses and ResourceSlices of a view."""
        by_driver = _resources_by_driver(view, policy)
        resources = NO_RESOURCES.union(*by_driver.values())
        if not resources or view.resource_slices is None:
            return cls(resources, None if resources else EMPTY)
        found: dict[str, frozenset[str]] = defaultdict(frozenset)
        for item in view.resource_slices.values():
            # A class whose driver is not known may take the devices of any driver.
            served = by_driver.get(item.driver, NO_RESOURCES) | by_driver.get("", NO_RESOURCES)
            if item.has_devices and served:
                found[item.node] |= served
        # A slice that selects nodes in another way may be for any of them.
        everywhere = found.pop("", NO_RESOURCES)
        return cls(resources, dict(found), everywhere)

    def on(self, node: str) -> frozenset[str]:
        """Return the resources that DRA serves on a node; where slices are unknown, it may be any."""
        return self.resources if self.by_node is None else self.by_node.get(node, NO_RESOURCES) | self.everywhere


def _resources_by_driver(view: ClusterView, policy: Policy) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for item in (view.device_classes or EMPTY).values():
        names = (item.extended_resource, item.implicit_resource)
        found[item.driver] |= {name for name in names if name and policy.is_gpu_resource(name)}
    return found
