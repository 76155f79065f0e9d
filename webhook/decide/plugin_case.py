"""What the rows for plugin pods look at: the case, with plugin, containers and node as they are recognised."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from webhook.cluster.drivers import HostDriver, host_driver
from webhook.decide.case import Case
from webhook.decide.nodes import VERSION_LABEL, profiles
from webhook.decide.pod import Container
from webhook.decide.rows_of_cluster import class_misfit
from webhook.raw import elements, items, mapping, text
from webhook.view.plugin_projections import KnownPlugin, find_plugin, known_plugins
from webhook.view.view import Node

VERSION_PLACEHOLDER = "{driver_version}"


@dataclass(frozen=True, slots=True)
class PluginCase:
    """All that a row may look at. ``plugin`` and ``containers`` are of the pod as the plugin that it claims to be."""

    base: Case
    plugin: KnownPlugin | None
    containers: tuple[Container, ...]
    node_name: str
    node: Node | None

    @classmethod
    def of(cls, base: Case) -> Self:
        """Recognise the plugin, its containers and its node."""
        found = find_plugin(base.pod, known_plugins(base.policy))
        specs = elements(base.spec.get("containers"))
        indices = found[1] if found else ()
        node_name = target_node(base.spec)
        return cls(
            base,
            found[0] if found else None,
            tuple(Container(f"/spec/containers/{index}", specs[index]) for index in indices),
            node_name,
            (base.view.nodes or {}).get(node_name),
        )

    @property
    def driver(self) -> HostDriver | None:
        """Where the node keeps its driver's libraries, None where no profile tells."""
        return host_driver(self.node, profiles(self.base.policy)) if self.node else None

    @property
    def library(self) -> str:
        """The file of NVML on the host, empty where its name needs a version that the node does not tell."""
        name = self.base.policy.bootstrap.library
        version = self.node.labels.get(VERSION_LABEL, "") if self.node else ""
        if self.driver is None or (VERSION_PLACEHOLDER in name and not version):
            return ""
        return f"{self.driver.directory}/{name.replace(VERSION_PLACEHOLDER, version)}"

    @property
    def class_misfit(self) -> str:
        """Why the RuntimeClass's own node selector keeps the pod off its node, empty where it does not."""
        found = self.base.runtime_class
        return class_misfit(self.base, found, self.node_name) if found else ""


def target_node(spec: Mapping[str, Any]) -> str:
    """Return the node for which the DaemonSet controller made a pod: exactly one term with exactly one name."""
    affinity = mapping(mapping(spec.get("affinity")).get("nodeAffinity"))
    required = mapping(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))
    terms = elements(required.get("nodeSelectorTerms"))
    fields = list(items(mapping(terms[0]).get("matchFields"))) if len(terms) == 1 else []
    names = elements(fields[0].get("values")) if len(fields) == 1 else []
    is_name = fields and fields[0].get("key") == "metadata.name" and fields[0].get("operator") == "In"
    return text(names[0]) if is_name and len(names) == 1 else ""
