"""Guards: which admission control may reject a pod with our patch."""

import pytest

from webhook.decide.decision import Reason
from webhook.decide.guards import (
    CLASS_CHANGE,
    MOUNT_CHANGE,
    PLUGIN_CHANGE,
    PRIVILEGED_CHANGE,
    Guard,
    GuardedPod,
    class_change,
    guard_against,
)
from webhook.decide.pod_security import ENFORCE_LABEL
from webhook.view.admission_controls import DenyingBinding, PodAdmissionPolicy, PolicyEngineWebhook
from webhook.view.view import ClusterView, RuntimeClass

TEAM = {"matchLabels": {"team": "a"}}
BY_NAME = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["ml"]}]}


def _guard(change: frozenset[str], view: ClusterView, labels: dict[str, str] | None = None) -> Guard | None:
    return guard_against(change, GuardedPod(view, "ml", {} if labels is None else labels, {"app": "trainer"}))


def _word(found: Guard | None) -> str:
    return found.reason if found else ""


@pytest.mark.parametrize(
    ("level", "change", "reason"),
    [
        ("baseline", CLASS_CHANGE, ""),
        ("restricted", CLASS_CHANGE, ""),
        ("baseline", MOUNT_CHANGE, Reason.POD_SECURITY),
        ("restricted", PRIVILEGED_CHANGE, Reason.POD_SECURITY),
        ("privileged", PRIVILEGED_CHANGE, ""),
    ],
)
def test_pod_security_admits_the_class_and_no_host_path(level: str, change: frozenset[str], reason: str) -> None:
    """PodSecurity does not look at the class; below the level privileged it rejects hostPath."""
    assert _word(_guard(change, ClusterView(), {ENFORCE_LABEL: level})) == reason


def test_pod_security_is_no_matter_of_a_grant() -> None:
    """A grant concerns policies that can make exceptions; PodSecurity makes none in its namespace."""
    found = _guard(MOUNT_CHANGE, ClusterView(), {ENFORCE_LABEL: "baseline"})
    assert found is not None
    assert not found.is_grantable


@pytest.mark.parametrize(
    ("groups", "webhooks", "reason"),
    [
        ({"security.openshift.io"}, {}, Reason.POD_SECURITY),
        ({"kyverno.io"}, None, Reason.ADMISSION_POLICY),
        ({"kyverno.io"}, {}, ""),
        ({"kyverno.io"}, {"x": PolicyEngineWebhook("x", "Kyverno", ({},))}, Reason.ADMISSION_POLICY),
        ({"kyverno.io"}, {"x": PolicyEngineWebhook("x", "Kyverno", (TEAM,))}, ""),
        ({"kyverno.io"}, {"x": PolicyEngineWebhook("x", "Kyverno", (BY_NAME,))}, ""),
        ({"kyverno.io"}, {"x": PolicyEngineWebhook("x", "Gatekeeper", ({},))}, ""),
        ({"templates.gatekeeper.sh"}, {"x": PolicyEngineWebhook("x", "Gatekeeper", (TEAM, {}))}, "admission-policy"),
        ({"policies.kubewarden.io"}, {"x": PolicyEngineWebhook("x", "Kubewarden", ({},))}, "admission-policy"),
        ({"policies.kyverno.io"}, {"x": PolicyEngineWebhook("x", "Kyverno", ({},))}, "admission-policy"),
        ({"apps"}, {"x": PolicyEngineWebhook("x", "Kyverno", ({},))}, ""),
        # Engines without an API of their own: only a webhook shows them.
        ({"apps"}, {"x": PolicyEngineWebhook("x", "Datree", ({},))}, "admission-policy"),
        ({"apps"}, {"x": PolicyEngineWebhook("x", "StackRox", (BY_NAME,))}, ""),
        ({"apps"}, None, ""),
    ],
)
def test_a_policy_engine_guards_namespaces_that_its_webhooks_select(
    groups: set[str], webhooks: dict[str, PolicyEngineWebhook] | None, reason: str
) -> None:
    """An engine that is installed and called may reject host access; it is never taken to reject the class."""
    view = ClusterView(api_groups=frozenset(groups), engine_webhooks=webhooks)
    assert _word(_guard(MOUNT_CHANGE, view)) == reason
    assert _word(_guard(PRIVILEGED_CHANGE, view)) == reason
    assert _guard(CLASS_CHANGE, view) is None


POLICY = PodAdmissionPolicy("p", frozenset({"runtimeClassName"}))


@pytest.mark.parametrize(
    ("policy", "binding", "guards"),
    [
        (POLICY, DenyingBinding("b", "p"), True),
        (POLICY, DenyingBinding("b", "other"), False),
        (POLICY, DenyingBinding("b", "p", TEAM), False),
        (POLICY, DenyingBinding("b", "p", {}, {"matchLabels": {"app": "web"}}), False),
        (POLICY, DenyingBinding("b", "p", {}, {"matchLabels": {"app": "trainer"}}), True),
        (PodAdmissionPolicy("p", frozenset({"runtimeClassName"}), BY_NAME), DenyingBinding("b", "p"), False),
        (PodAdmissionPolicy("p", frozenset({"hostPath"})), DenyingBinding("b", "p"), False),
        (PodAdmissionPolicy("p"), DenyingBinding("b", "p"), False),
    ],
)
def test_a_policy_guards_the_class_where_it_applies_and_mentions_it(
    policy: PodAdmissionPolicy, binding: DenyingBinding, *, guards: bool
) -> None:
    """Policy and binding must both select namespace and pod, and an expression must read the field."""
    view = ClusterView(admission_policies={"p": policy}, policy_bindings={"b": binding})
    assert (_word(_guard(CLASS_CHANGE, view)) == Reason.ADMISSION_POLICY) is guards


@pytest.mark.parametrize(
    ("mention", "change", "guards"),
    [
        ("hostPath", MOUNT_CHANGE, True),
        ("volumes", MOUNT_CHANGE, True),
        ("volumeMounts", MOUNT_CHANGE, True),
        ("allowPrivilegeEscalation", MOUNT_CHANGE, False),
        ("allowPrivilegeEscalation", PRIVILEGED_CHANGE, True),
        ("LD_LIBRARY_PATH", PRIVILEGED_CHANGE, False),
        ("LD_LIBRARY_PATH", PLUGIN_CHANGE, True),
        ("NVIDIA_VISIBLE_DEVICES", PLUGIN_CHANGE, False),
        ("tolerations", CLASS_CHANGE, False),
        ("tolerations", class_change(RuntimeClass("nvidia", "nvidia", tolerations=({"operator": "Exists"},))), True),
        ("nodeSelector", class_change(RuntimeClass("nvidia", "nvidia", {"gpu": "true"})), True),
        ("nodeSelector", class_change(RuntimeClass("nvidia", "nvidia")), False),
        ("privileged", MOUNT_CHANGE, False),
        ("privileged", PRIVILEGED_CHANGE, True),
        ("runtimeClassName", PRIVILEGED_CHANGE, False),
    ],
)
def test_a_policy_guards_fields_that_the_patch_changes(mention: str, change: frozenset[str], *, guards: bool) -> None:
    """A policy about other fields is no reason to leave a pod alone."""
    policies = {"p": PodAdmissionPolicy("p", frozenset({mention}))}
    view = ClusterView(admission_policies=policies, policy_bindings={"b": DenyingBinding("b", "p")})
    assert (_guard(change, view) is not None) is guards


def test_unknown_labels_of_a_namespace_exempt_it_from_nothing() -> None:
    """A selector that cannot be evaluated may select the namespace."""
    view = ClusterView(admission_policies={"p": POLICY}, policy_bindings={"b": DenyingBinding("b", "p", TEAM)})
    assert guard_against(CLASS_CHANGE, GuardedPod(view, "ml", None)) is not None
