"""Guards: admission control of the cluster that sees the patched pod and may reject it.

One function judges the patches of workloads and of plugin pods. Only what a tenant cannot write counts: labels of the
namespace, API groups, and objects of the whole cluster.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.decide.decision import Reason
from webhook.decide.pod_security import PRIVILEGED, enforced_level
from webhook.kube.label_selector import matches_selector
from webhook.kube.metadata import NAMESPACE_NAME_LABEL
from webhook.kube.values import EMPTY, empty_mapping
from webhook.view.admission_controls import ENGINES, DenyingBinding, PodAdmissionPolicy, PolicyEngineWebhook
from webhook.view.view import ClusterView, Labels, RuntimeClass

# OpenShift gives a ServiceAccount its SecurityContextConstraints by RBAC, which the view does not contain.
CONSTRAINTS_GROUP, CONSTRAINTS = "security.openshift.io", "SecurityContextConstraints"

CLASS_CHANGE = frozenset({"runtimeClassName"})
"""What ``inject``, and the recipe ``runtime-class``, change in each pod."""
MOUNT_CHANGE = frozenset({"hostPath", "volumes", "volumeMounts"})
"""What ``mount`` changes in a pod."""
PRIVILEGED_CHANGE = MOUNT_CHANGE | {"privileged", "allowPrivilegeEscalation"}
"""What ``mount`` with privileged devices changes."""
PLUGIN_CHANGE = PRIVILEGED_CHANGE | {"LD_LIBRARY_PATH", "env"}
"""What the other recipes for plugin pods change."""


def class_change(found: RuntimeClass) -> frozenset[str]:
    """Return what a class changes: the API server merges its ``scheduling`` into the pod before policies see it."""
    parts = {"tolerations": found.tolerations, "nodeSelector": found.node_selector}
    return CLASS_CHANGE.union(name for name, added in parts.items() if added)


@dataclass(frozen=True, slots=True)
class GuardedPod:
    """The pod of which guards see a patch.

    ``namespace_labels`` is None where they are unknown. ``default_level`` is the PodSecurity level of a namespace
    without the label; the level ``privileged`` allows everything.
    """

    view: ClusterView
    namespace: str
    namespace_labels: Labels | None
    pod_labels: Mapping[str, Any] = field(default_factory=empty_mapping)
    default_level: str = PRIVILEGED

    @property
    def level(self) -> str:
        """The PodSecurity level that the API server enforces on the pod."""
        return enforced_level(self.namespace_labels, self.default_level)

    def is_selected_by(self, namespace_selector: Mapping[str, Any]) -> bool:
        """Say whether a selector may select the pod's namespace; with unknown labels any may."""
        labels = self.namespace_labels
        return labels is None or matches_selector(
            namespace_selector, {NAMESPACE_NAME_LABEL: self.namespace, **dict(labels)}
        )


@dataclass(frozen=True, slots=True)
class Guard:
    """What may reject the patched pod, and why. An administrator may have granted what ``is_grantable``."""

    reason: Reason
    why: str
    is_grantable: bool = True


def guard_against(change: frozenset[str], pod: GuardedPod) -> Guard | None:
    """Return what may reject a pod with this change, None where nothing is known.

    Grants do not matter here: the caller compares a guard that ``is_grantable`` with the policy.
    """
    if change & PRIVILEGED_CHANGE and (found := _host_guard(pod)):
        return found
    return _policy_guard(change, pod)


def has_policies(view: ClusterView) -> bool:
    """Say whether a ValidatingAdmissionPolicy may reject pods. Other guards judge access to the host alone."""
    return bool(view.admission_policies and view.policy_bindings)


def guards_evidence(pod: GuardedPod) -> Iterator[str]:
    """Yield what was looked at, for a decision that no guard changed."""
    own = enforced_level(pod.namespace_labels, "")
    yield f"PodSecurity: {own or f'{pod.default_level} (no label)'}"
    policies, groups = pod.view.admission_policies, pod.view.api_groups
    yield f"ValidatingAdmissionPolicies for pods: {'unknown' if policies is None else len(policies)}"
    if groups is None:
        yield "the cluster's API groups are unknown"
    else:
        constraints = [CONSTRAINTS] if CONSTRAINTS_GROUP in groups else []
        yield f"policy engines installed: {', '.join((*constraints, *_installed_engines(pod.view))) or 'none'}"


def _host_guard(pod: GuardedPod) -> Guard | None:
    """Return what may reject access to the host: hostPath volumes, and privileges."""
    if pod.level != PRIVILEGED:
        return Guard(Reason.POD_SECURITY, f'namespace enforces PodSecurity "{pod.level}"', is_grantable=False)
    groups = pod.view.api_groups or frozenset()
    if CONSTRAINTS_GROUP in groups:
        return Guard(Reason.POD_SECURITY, f"{CONSTRAINTS} may refuse hostPath")
    called = (name for name in _installed_engines(pod.view) if _is_called(name, pod))
    return next((Guard(Reason.ADMISSION_POLICY, f"{name} may refuse hostPath") for name in called), None)


def _installed_engines(view: ClusterView) -> Iterator[str]:
    groups = view.api_groups or frozenset()
    with_webhook = {item.engine for item in (view.engine_webhooks or EMPTY).values()}
    for engine in ENGINES:
        if groups.intersection(engine.api_groups) if engine.api_groups else engine.name in with_webhook:
            yield engine.name


def _is_called(engine: str, pod: GuardedPod) -> bool:
    """Say whether a webhook of a policy engine may be called for the pod; unknown webhooks may."""
    webhooks = pod.view.engine_webhooks
    return webhooks is None or any(item.engine == engine and _selects(item, pod) for item in webhooks.values())


def _selects(webhook: PolicyEngineWebhook, pod: GuardedPod) -> bool:
    return any(map(pod.is_selected_by, webhook.namespace_selectors))


def _policy_guard(change: frozenset[str], pod: GuardedPod) -> Guard | None:
    """Return a ValidatingAdmissionPolicy in force that reads what the patch changes."""
    policies = pod.view.admission_policies or EMPTY
    for binding in (pod.view.policy_bindings or EMPTY).values():
        policy = policies.get(binding.policy)
        mentioned = sorted(change & policy.mentions) if policy else []
        if policy and mentioned and _applies(pod, policy) and _applies(pod, binding):
            return Guard(
                Reason.ADMISSION_POLICY, f'ValidatingAdmissionPolicy "{policy.name}" may refuse {mentioned[0]}'
            )
    return None


def _applies(pod: GuardedPod, scope: PodAdmissionPolicy | DenyingBinding) -> bool:
    return pod.is_selected_by(scope.namespace_selector) and matches_selector(scope.object_selector, pod.pod_labels)
