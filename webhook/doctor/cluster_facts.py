"""All facts that the checks read, read once. A fact that could not be read is Unread, never "none"."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from certs.report import Report
from certs.tls_probe import PresentedCertificate
from webhook.decide.decision import RequestInfo
from webhook.decide.nodes.known_facts import NO_FACTS, KnownFacts, facts_by_node
from webhook.decide.plugin.gpu_evidence import gpu_evidence
from webhook.decide.plugin.unserved_plugins import UnservedPlugin, unserved_plugins
from webhook.decide.workload.context import RuleContext
from webhook.doctor.fact import NOT_ASKED, ApiObject, DryRun, Objects, TriedHeartbeat, Unread, known
from webhook.doctor.node_offers import NodeOffers
from webhook.doctor.node_providers import Providers, brings_own_driver, is_left_out, is_virtual
from webhook.doctor.node_reports import NodeReports
from webhook.doctor.plugin_pods import node_of, recognised, talking_pods
from webhook.doctor.pod_trouble import ready_since
from webhook.kube.metadata import full_name, labels_of, name_of
from webhook.kube.values import empty_mapping
from webhook.names import DEFAULT_NAMESPACE, REGISTRATION_NAME
from webhook.nvidia.device_plugins import DevicePlugin
from webhook.nvidia.known_plugins import Role
from webhook.nvidia.support_pods import Support, support_of
from webhook.observations.plugin_observation import Moment
from webhook.observations.stored_state import StoredState
from webhook.policy.model import Policy
from webhook.view.node_projection import project_node
from webhook.view.plugin_projections import known_plugins
from webhook.view.plugin_watch import with_observations
from webhook.view.projections import Kind, kinds
from webhook.view.view import ClusterView, Node, PluginPod


@dataclass(frozen=True, kw_only=True)
class ClusterFacts(NodeOffers):
    """The facts about a cluster at one moment. Objects are raw, without parts that no check reads (such as images).

    ``scope`` is the namespace of ``gpu_pods`` and ``events``, empty for all. ``gpu_pods`` name a GPU resource, the
    policy's class or the driver's files. ``plugin_pods`` and ``daemon_sets`` are those of known plugins, ``other_pods``
    and ``other_sets`` those of other device plugins for GPUs, unknown to the policy; ``support_pods`` bring what these
    need, such as the driver. ``webhooks`` are all mutating configurations, ``deployment`` and what follows are our own
    installation's. Logs are the last lines of pods, by ``namespace/name``. ``dry_run`` is None where no namespace is
    opted in. ``state`` is what the replicas remember together, None where they have stored nothing yet.
    """

    policy: Policy
    now: datetime
    home: str = DEFAULT_NAMESPACE
    scope: str = ""
    server: ApiObject | Unread = NOT_ASKED
    nodes: Objects | Unread = NOT_ASKED
    namespaces: Objects | Unread = NOT_ASKED
    runtime_classes: Objects | Unread = NOT_ASKED
    cluster_policies: Objects | Unread = NOT_ASKED
    device_classes: Objects | Unread = NOT_ASKED
    resource_slices: Objects | Unread = NOT_ASKED
    gpu_clusters: Objects | Unread = NOT_ASKED
    admission_policies: Objects | Unread = NOT_ASKED
    policy_bindings: Objects | Unread = NOT_ASKED
    api_groups: frozenset[str] | Unread = NOT_ASKED
    gpu_pods: Objects | Unread = NOT_ASKED
    events: Objects | Unread = NOT_ASKED
    plugin_pods: Objects | Unread = NOT_ASKED
    daemon_sets: Objects | Unread = NOT_ASKED
    other_pods: Objects | Unread = NOT_ASKED
    other_sets: Objects | Unread = NOT_ASKED
    support_pods: Objects | Unread = NOT_ASKED
    plugin_logs: Mapping[str, str | Unread] | Unread = NOT_ASKED
    webhooks: Objects | Unread = NOT_ASKED
    validating_webhooks: Objects | Unread = NOT_ASKED
    limit_ranges: Objects | Unread = NOT_ASKED
    deployment: ApiObject | Unread | None = NOT_ASKED
    endpoint_slices: Objects | Unread = NOT_ASKED
    own_pods: Objects | Unread = NOT_ASKED
    own_logs: Mapping[str, str | Unread] | Unread = NOT_ASKED
    certificates: Report | Unread = NOT_ASKED
    presented: tuple[PresentedCertificate, ...] | Unread = NOT_ASKED
    dry_run: DryRun | Unread | None = NOT_ASKED
    heartbeat: TriedHeartbeat | Unread = NOT_ASKED
    state: StoredState | Unread | None = NOT_ASKED
    node_reports: NodeReports | Unread = NOT_ASKED

    @cached_property
    def view(self) -> ClusterView:
        """The view that the webhook would have; raises CannotTellError if a part of it could not be read."""
        view = ClusterView(**self._projected(), **known(self.node_reports).fields, api_groups=known(self.api_groups))
        return with_observations(view, Moment(self.now, self.policy.is_gpu_resource))

    def _projected(self) -> dict[str, Any]:
        # Nodes and plugin pods are thousands in a large cluster: they are projected once for all checks.
        large: dict[str, Any] = {"nodes": self._all_nodes, "plugin_pods": self._plugin_pods}
        others = {
            name: {
                kind.key(item): kind.project(item) for kind, objects in parts for item in objects if kind.keeps(item)
            }
            for name, parts in self._objects_of_view().items()
            if name not in large
        }
        return {**others, **large}

    @cached_property
    def _all_nodes(self) -> Mapping[str, Node]:
        return {name_of(item): project_node(item) for item in known(self.nodes)}

    @cached_property
    def _plugin_pods(self) -> Mapping[str, PluginPod]:
        project = kinds(known_plugins(self.policy))["", "Pod"].project
        return {full_name(item): project(item) for item in known(self.plugin_pods)}

    @cached_property
    def reported(self) -> Mapping[str, KnownFacts]:
        """What nodes report by themselves, as far as it counts."""
        return facts_by_node(ClusterView(nodes=self._all_nodes, **known(self.node_reports).fields))

    def _objects_of_view(self) -> Mapping[str, list[tuple[Kind, Objects]]]:
        """Return the objects of each field of the view, with the kind that projects them."""
        all_kinds = kinds(known_plugins(self.policy))
        engines = {
            ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): self.validating_webhooks,
            ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): self.webhooks,
        }
        parts: dict[str, list[tuple[Kind, Objects]]] = {}
        for name, kind in all_kinds.items():
            objects = engines[name] if name in engines else getattr(self, kind.field)
            parts.setdefault(kind.field, []).append((kind, known(objects)))
        return parts

    @cached_property
    def node_facts(self) -> Mapping[str, Node]:
        """The nodes by name, as a decision sees them, without virtual nodes."""
        return {name: node for name, node in self._all_nodes.items() if not is_virtual(node)}

    @cached_property
    def virtual_nodes(self) -> frozenset[str]:
        """The nodes that are no machines."""
        return frozenset(self._all_nodes.keys() - self.node_facts.keys())

    @cached_property
    def providers(self) -> Providers:
        """The provider of each node's GPUs."""
        return Providers.of(self.view, self.policy)

    @cached_property
    def class_nodes(self) -> tuple[Node, ...]:
        """The GPU nodes whose pods need the class or mounts, as nothing else provides GPUs there."""
        return tuple(
            node for node in self.gpu_nodes if not self.providers.of_node(node) and not brings_own_driver(node)
        )

    @cached_property
    def gpu_nodes(self) -> tuple[Node, ...]:
        """The nodes that offer a GPU, or with evidence of one."""
        nodes, hidden = self.node_facts.values(), self._nodes_of_virtual_machines
        return tuple(node for node in nodes if node.name not in hidden and self.shows_gpu(node))

    @cached_property
    def _nodes_of_virtual_machines(self) -> frozenset[str]:
        """The nodes whose GPUs go to virtual machines, as a device plugin on them shows."""
        if self.other_pods is NOT_ASKED:
            return frozenset()
        return frozenset(node_of(pod) for pod, plugin in self.others if not plugin.serves_containers)

    @cached_property
    def plugins(self) -> tuple[tuple[ApiObject, PluginPod], ...]:
        """The pods of device plugins, with what they show; feature discovery and exporters are left out."""
        pods = ((item, self._plugin_pods[full_name(item)]) for item in known(self.plugin_pods))
        return tuple((item, pod) for item, pod in pods if pod.plugin.hands_out_gpus)

    @cached_property
    def others(self) -> tuple[tuple[ApiObject, DevicePlugin], ...]:
        """The pods of device plugins for GPUs that are not known to the policy: forks, and those of other names."""
        return recognised(known(self.other_pods))

    @cached_property
    def other_daemon_sets(self) -> tuple[tuple[ApiObject, DevicePlugin], ...]:
        """The DaemonSets of such plugins."""
        return recognised(known(self.other_sets))

    @cached_property
    def talking(self) -> tuple[tuple[ApiObject, str], ...]:
        """The pods of all device plugins for containers' GPUs, each with its node."""
        return talking_pods(((item, pod.node) for item, pod in self.plugins), self.others)

    @cached_property
    def ready_since(self) -> Mapping[str, datetime]:
        """Since when pods are Ready, of those that were read; without those whose time is unknown."""
        lists = (self.gpu_pods, self.plugin_pods, self.other_pods, self.support_pods)
        pods = (pod for found in lists if not isinstance(found, Unread) for pod in found)
        return {full_name(pod): since for pod in pods if (since := ready_since(pod))}

    @cached_property
    def support(self) -> tuple[tuple[ApiObject, Support], ...]:
        """The pods that bring driver, runtime, MIG, MPS or DRA, with what each of them brings."""
        found = ((item, support_of(labels_of(item))) for item in known(self.support_pods))
        return tuple((item, role) for item, role in found if role is not None)

    @cached_property
    def nodes_under_class(self) -> frozenset[str]:
        """The nodes on which a device plugin runs under the policy's class, which proves the handler."""
        name = self.policy.runtime_class
        return frozenset(pod.node for _, pod in self.plugins if pod.running and pod.plugin.runtime_class == name)

    @cached_property
    def registration(self) -> ApiObject | None:
        """Our own MutatingWebhookConfiguration, None where there is none."""
        return _named(known(self.webhooks), REGISTRATION_NAME)

    @cached_property
    def validating(self) -> ApiObject | None:
        """Our own ValidatingWebhookConfiguration, None where there is none."""
        return _named(known(self.validating_webhooks), REGISTRATION_NAME)

    @cached_property
    def blind(self) -> tuple[UnservedPlugin, ...]:
        """The plugin pods that run and find no GPU, with what the next one on their node would get."""
        found = unserved_plugins(self.view, self.policy, 0.0)
        return tuple(item for item in found if item.pod.plugin.role is not Role.DEVICE_PLUGIN or self._is_blind(item))

    def _is_blind(self, item: UnservedPlugin) -> bool:
        # Capacity tells a plugin that finds no GPU from one whose GPUs are unhealthy.
        return not self.had_gpus(self.node_facts.get(item.pod.node))

    def shows_gpu(self, node: Node) -> bool:
        """Say whether there is evidence that a node has a GPU."""
        view = ClusterView(nodes={node.name: node})
        case = RuleContext({}, RequestInfo(""), self.policy, view)
        reported = self.reported.get(node.name, NO_FACTS)
        return self.offers_gpus(node) or (not is_left_out(node) and bool(gpu_evidence(case, node.name, reported)))

    def node(self, name: str) -> ApiObject:
        """Return the raw node of that name, empty where it is gone."""
        return self._raw_nodes.get(name, empty_mapping())

    @cached_property
    def _raw_nodes(self) -> Mapping[str, ApiObject]:
        return {name_of(item): item for item in known(self.nodes)}

    def log_of(self, pod: ApiObject) -> str:
        """Return the last lines of a plugin's pod; empty where they were not needed."""
        return known(known(self.plugin_logs).get(full_name(pod), ""))


def _named(found: Objects, name: str) -> ApiObject | None:
    return next((item for item in found if name_of(item) == name), None)
