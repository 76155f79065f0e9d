"""All that the checks may look at, read once. What could not be read says so, and no check can take it for "none"."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from certs.report import Report
from certs.tls_probe import PresentedCertificate
from webhook.decide.decision import RequestInfo
from webhook.decide.nodes.kind import offered_gpus
from webhook.decide.plugin.gpu_evidence import gpu_evidence
from webhook.decide.plugin.unserved_plugins import UnservedPlugin, unserved_plugins
from webhook.decide.workload.context import RuleContext
from webhook.kube.metadata import full_name, name_of
from webhook.kube.values import empty_mapping
from webhook.policy.model import Policy
from webhook.view.plugin_projections import known_plugins
from webhook.view.projections import kinds
from webhook.view.view import ClusterView, Node, PluginPod

ApiObject = Mapping[str, Any]
Objects = tuple[ApiObject, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read, and why, as the API server said it."""

    why: str


class CannotTellError(Exception):
    """A check met a fact that could not be read: its result is unknown, whatever else it has seen."""


def known(fact: T | Unread) -> T:
    """Return a fact; raises CannotTellError where it could not be read. There is no other way to one."""
    if isinstance(fact, Unread):
        raise CannotTellError(fact.why)
    return fact


@dataclass(frozen=True, slots=True)
class DryRun:
    """What became of a GPU pod that the API server was only asked about: our word for it, or why it was refused.

    ``word`` is our annotation or, in dry-run, our warning; empty where the webhook said nothing.
    """

    namespace: str
    word: str = ""
    refusal: str = ""


NOT_ASKED = Unread("not asked for")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What one look at a cluster gave. Objects are raw, without what nobody reads (managed fields, images).

    ``scope`` is the namespace of ``gpu_pods`` and ``events``, empty for all. ``gpu_pods`` name a GPU resource, the
    policy's class or the driver's files. ``plugin_pods`` and ``daemon_sets`` are those of known plugins. ``webhooks``
    are all mutating configurations, ``deployment`` and what follows are our own installation's. Logs are the last
    lines of pods, by ``namespace/name``. ``dry_run`` is None where no namespace is opted in.
    """

    policy: Policy
    now: datetime
    home: str = "gpu-injector"
    scope: str = ""
    server: ApiObject | Unread = NOT_ASKED
    nodes: Objects | Unread = NOT_ASKED
    namespaces: Objects | Unread = NOT_ASKED
    runtime_classes: Objects | Unread = NOT_ASKED
    cluster_policies: Objects | Unread = NOT_ASKED
    device_classes: Objects | Unread = NOT_ASKED
    resource_slices: Objects | Unread = NOT_ASKED
    api_groups: frozenset[str] | Unread = NOT_ASKED
    gpu_pods: Objects | Unread = NOT_ASKED
    events: Objects | Unread = NOT_ASKED
    plugin_pods: Objects | Unread = NOT_ASKED
    daemon_sets: Objects | Unread = NOT_ASKED
    plugin_logs: Mapping[str, str | Unread] | Unread = NOT_ASKED
    webhooks: Objects | Unread = NOT_ASKED
    validating: ApiObject | Unread | None = NOT_ASKED
    deployment: ApiObject | Unread | None = NOT_ASKED
    endpoint_slices: Objects | Unread = NOT_ASKED
    own_pods: Objects | Unread = NOT_ASKED
    own_logs: Mapping[str, str | Unread] | Unread = NOT_ASKED
    certificates: Report | Unread = NOT_ASKED
    presented: tuple[PresentedCertificate, ...] | Unread = NOT_ASKED
    dry_run: DryRun | Unread | None = NOT_ASKED

    @cached_property
    def view(self) -> ClusterView:
        """What the webhook would see; raises CannotTellError where any part of it could not be read."""
        of = {kind.field: kind for kind in kinds(known_plugins(self.policy)).values()}
        parts = {
            "runtime_classes": known(self.runtime_classes),
            "namespaces": known(self.namespaces),
            "nodes": known(self.nodes),
            "plugin_pods": known(self.plugin_pods),
            "daemon_sets": known(self.daemon_sets),
            "cluster_policies": known(self.cluster_policies),
            "device_classes": known(self.device_classes),
        }
        facts: dict[str, Any] = {
            field: {of[field].key(item): of[field].project(item) for item in items} for field, items in parts.items()
        }
        return ClusterView(**facts, api_groups=known(self.api_groups))

    @cached_property
    def node_facts(self) -> Mapping[str, Node]:
        """The nodes by name, as a decision sees them."""
        project = kinds()["", "Node"].project
        return {name_of(item): project(item) for item in known(self.nodes)}

    @cached_property
    def gpu_nodes(self) -> tuple[Node, ...]:
        """The nodes that offer a GPU, or of which something shows that they have one."""
        return tuple(node for node in self.node_facts.values() if self.shows_gpu(node))

    @cached_property
    def plugins(self) -> tuple[tuple[ApiObject, PluginPod], ...]:
        """The pods of device plugins, with what they show; feature discovery and exporters are left out."""
        project = kinds(known_plugins(self.policy))["", "Pod"].project
        pods = ((item, project(item)) for item in known(self.plugin_pods))
        return tuple((item, pod) for item, pod in pods if pod.plugin.hands_out_gpus)

    @cached_property
    def registration(self) -> ApiObject | None:
        """Our own MutatingWebhookConfiguration, None where there is none."""
        return next((item for item in known(self.webhooks) if name_of(item) == "gpu-injector"), None)

    @cached_property
    def blind(self) -> tuple[UnservedPlugin, ...]:
        """The plugin pods that run and find no GPU, with what the next one on their node would get."""
        return tuple(unserved_plugins(self.view, self.policy, 0.0))

    def offered(self, node: Node) -> Mapping[str, str]:
        """Return the GPU resources that a node has to give, positive or not."""
        return {name: amount for name, amount in node.allocatable.items() if self.policy.is_gpu_resource(name)}

    def offers_gpus(self, node: Node) -> bool:
        """Say whether a node has GPUs to give."""
        return bool(offered_gpus(node, self.policy))

    def shows_gpu(self, node: Node) -> bool:
        """Say whether a node has a GPU, as far as anything shows it."""
        view = ClusterView(nodes={node.name: node})
        case = RuleContext({}, RequestInfo(""), self.policy, view)
        return self.offers_gpus(node) or bool(gpu_evidence(case, node.name))

    def node(self, name: str) -> ApiObject:
        """Return the raw node of that name, empty where it is gone."""
        return next((item for item in known(self.nodes) if name_of(item) == name), empty_mapping())

    def log_of(self, pod: ApiObject) -> str:
        """Return the last lines of a plugin's pod; empty where they were not needed."""
        return known(known(self.plugin_logs).get(full_name(pod), ""))
