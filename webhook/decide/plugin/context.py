"""What the rules for a plugin pod may read: the same as for GPU pods, and the plugin, its containers and its node."""

from dataclasses import dataclass
from functools import cached_property

from webhook.decide.decision import RequestInfo
from webhook.decide.guards import PRIVILEGED, GuardedPod
from webhook.decide.nodes.kind import VERSION_LABEL, profiles
from webhook.decide.pod import Container, Pod
from webhook.decide.workload.class_fitness import class_misfit
from webhook.decide.workload.context import RuleContext
from webhook.kube.metadata import labels_of
from webhook.kube.node_affinity import target_node
from webhook.kube.values import EMPTY, elements
from webhook.nvidia.driver_profiles import HostDriver, host_driver
from webhook.nvidia.known_plugins import KnownPlugin
from webhook.policy.model import Policy
from webhook.view.plugin_projections import find_plugin, known_plugins
from webhook.view.view import ClusterView, Node

VERSION_PLACEHOLDER = "{driver_version}"
# Outside of this namespace a missing PodSecurity label does not say that privileged pods are wanted.
HOME_NAMESPACE = "kube-system"


@dataclass(frozen=True)
class PluginContext:
    """All that a rule may read. Costly values are computed when the first rule needs them."""

    base: RuleContext

    @classmethod
    def of(cls, pod: Pod, request: RequestInfo, policy: Policy, view: ClusterView) -> "PluginContext":
        """Return the context of a pod."""
        return cls(RuleContext(pod, request, policy, view))

    @property
    def policy(self) -> Policy:
        """The policy."""
        return self.base.policy

    @property
    def namespace(self) -> str:
        """The namespace of the pod."""
        return self.base.request.namespace

    @cached_property
    def _found(self) -> tuple[KnownPlugin, tuple[int, ...]] | None:
        return find_plugin(self.base.pod, known_plugins(self.policy))

    @property
    def plugin(self) -> KnownPlugin | None:
        """The plugin that the pod's labels and containers match, None for none."""
        return self._found[0] if self._found else None

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        """The containers that are the plugin."""
        specs = elements(self.base.spec.get("containers"))
        indices = self._found[1] if self._found else ()
        return tuple(Container(f"/spec/containers/{index}", specs[index]) for index in indices)

    @cached_property
    def node_name(self) -> str:
        """The name of the node that the pod is for, empty where the pod does not name exactly one."""
        return target_node(self.base.spec)

    @property
    def node(self) -> Node | None:
        """The node that the pod is for, None where it is not known."""
        return (self.base.view.nodes or EMPTY).get(self.node_name)

    @cached_property
    def driver(self) -> HostDriver | None:
        """The directory of the driver's libraries on the node, None where no profile says it."""
        return host_driver(self.node, profiles(self.policy)) if self.node else None

    @property
    def library(self) -> str:
        """The file of NVML on the host, empty where its name needs a version that the node does not show."""
        name = self.policy.bootstrap.library
        version = self.node.labels.get(VERSION_LABEL, "") if self.node else ""
        if self.driver is None or (VERSION_PLACEHOLDER in name and not version):
            return ""
        return f"{self.driver.directory}/{name.replace(VERSION_PLACEHOLDER, version)}"

    @property
    def guarded(self) -> GuardedPod:
        """The pod as admission control sees it."""
        default = PRIVILEGED if self.namespace == HOME_NAMESPACE else "unset"
        labels = labels_of(self.base.pod)
        return GuardedPod(self.base.view, self.namespace, self.base.namespace_labels, labels, default)

    @property
    def class_misfit(self) -> str:
        """Why the RuntimeClass's node selector keeps the pod off its node, empty where it does not."""
        found = self.base.runtime_class
        return class_misfit(self.base, found, self.node_name) if found else ""
