"""What the rules for a plugin pod may read: the same as for GPU pods, and the plugin, its containers and its node."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from webhook.decide.decision import RequestInfo
from webhook.decide.guards import GuardedPod
from webhook.decide.limits import exceeded_limit
from webhook.decide.nodes.kind import driver_version, profiles
from webhook.decide.nodes.known_facts import NO_FACTS, KnownFacts, driver_of, facts_on
from webhook.decide.pod import Container, Pod
from webhook.decide.pod_security import PRIVILEGED
from webhook.decide.workload.class_fitness import class_misfit, toleration_misfit
from webhook.decide.workload.context import RuleContext
from webhook.kube.metadata import labels_as_written
from webhook.kube.node_affinity import target_node
from webhook.kube.values import EMPTY, elements
from webhook.nvidia.driver_directory import HostDriver, HostDrivers, usr_root_works
from webhook.nvidia.known_plugins import KnownPlugin, Role, companion_role
from webhook.observations.plugin_observation import ObservationKey, PluginState
from webhook.observations.setback import Setback
from webhook.policy.model import Policy
from webhook.view.plugin_projections import daemon_set_owner, find_plugin, known_plugins
from webhook.view.view import ClusterView, Node, Nvml

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

    @property
    def daemon_set(self) -> str:
        """The name of the DaemonSet that controls the pod, empty where none does."""
        return str(daemon_set_owner(self.base.pod).get("name") or "")

    @cached_property
    def _found(self) -> tuple[KnownPlugin, tuple[int, ...]] | None:
        # The containers of a pod that is too large are not read.
        return None if exceeded_limit(self.base.pod) else find_plugin(self.base.pod, known_plugins(self.policy))

    @property
    def plugin(self) -> KnownPlugin | None:
        """The plugin that the pod's labels and containers match, None for none."""
        return self._found[0] if self._found else None

    @cached_property
    def roles(self) -> Mapping[str, Role]:
        """What each container that needs NVML is for, by its JSON pointer: the plugin, and its companions."""
        if self._found is None:
            return {}
        plugin, indices = self._found
        found: dict[str, Role] = {}
        for index, item in enumerate(elements(self.base.spec.get("containers"))):
            role = plugin.role if index in indices else companion_role(item) if isinstance(item, dict) else None
            if role is not None:
                found[f"/spec/containers/{index}"] = role
        return found

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        """The containers that need NVML."""
        specs = elements(self.base.spec.get("containers"))
        return tuple(Container(pointer, specs[int(pointer.rpartition("/")[2])]) for pointer in self.roles)

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
        return driver_of(self.node, self.facts, HostDrivers(profiles(self.policy))) if self.node else None

    @cached_property
    def facts(self) -> KnownFacts:
        """What the node itself reports, as far as it counts."""
        return facts_on(self.base.view, self.node) if self.node else NO_FACTS

    @property
    def usr_root_works(self) -> bool | None:
        """Whether the plugin finds NVML below the node's /usr; None where that is not known."""
        if self.node is None:
            return None
        found = usr_root_works(self.node, profiles(self.policy))
        return found if self.driver or not self.facts.is_unusual_host else False

    @property
    def library(self) -> str:
        """The file of NVML on the host, empty where its name needs a version that the node does not show."""
        name = self.policy.bootstrap.library
        version = driver_version(self.node, self.facts) if self.node else ""
        if self.driver is None or (VERSION_PLACEHOLDER in name and not version):
            return ""
        return f"{self.driver.directory}/{name.replace(VERSION_PLACEHOLDER, version)}"

    @property
    def guarded(self) -> GuardedPod:
        """The pod as admission control sees it."""
        default = PRIVILEGED if self.namespace == HOME_NAMESPACE else "unset"
        labels = labels_as_written(self.base.pod)
        return GuardedPod(self.base.view, self.namespace, self.base.namespace_labels, labels, default)

    @property
    def class_misfit(self) -> str:
        """Why the RuntimeClass's scheduling keeps the pod off its node, or is refused; empty where it fits."""
        found = self.base.runtime_class
        if found is None:
            return ""
        return class_misfit(self.base, found, self.node_name) or toleration_misfit(self.base)

    def observed(self, nvml: Nvml) -> PluginState | None:
        """Return the last state of this DaemonSet's pods on this kind of node, by how they got NVML without us."""
        if self.node is None or not self.daemon_set:
            return None
        key = ObservationKey(self.namespace, self.daemon_set, self.node.host, str(nvml))
        return self.base.view.observations.state(key)

    def allows(self, recipe: str) -> bool:
        """Say whether the policy allows a recipe."""
        return self.policy.bootstrap.recipe in ("auto", recipe)

    def setback(self, recipe: str) -> Setback | None:
        """Return how a recipe failed for this DaemonSet on this node, None where it did not."""
        if self.node is None:
            return None
        return self.base.view.setbacks.failed(self.namespace, self.daemon_set, self.node, recipe)
