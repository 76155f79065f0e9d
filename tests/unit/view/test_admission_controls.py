"""Admission controls that judge the creation of pods: policies with bindings, and webhooks of policy engines."""

from typing import Any

import pytest

from webhook.view.admission_controls import (
    MAX_SELECTORS,
    MENTIONED_FIELDS,
    DenyingBinding,
    PolicyEngineWebhook,
    denies_pods,
    is_of_engine,
    judges_pods,
    project_binding,
    project_engine_webhook,
    project_policy,
)

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
ML = {"matchLabels": {"team": "ml"}}


def policy(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a ValidatingAdmissionPolicy."""
    constraints = {"resourceRules": list(rules), **spec.pop("constraints", {})}
    return {"metadata": {"name": "p"}, "spec": {"matchConstraints": constraints, **spec}}


def binding(**spec: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a binding with the action Deny."""
    return {"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"], **spec}}


RULES = [
    (PODS, True),
    ({**PODS, "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}, True),
    ({**PODS, "resources": ["*/*"]}, True),
    ({**PODS, "resources": ["configmaps", "pods"], "operations": ["UPDATE", "CREATE"]}, True),
    ({**PODS, "scope": "Namespaced"}, True),
    ({**PODS, "resourceNames": ["a"]}, True),
    ({**PODS, "resources": ["pods/exec"]}, False),
    ({**PODS, "resources": ["pods/*"]}, False),
    ({**PODS, "operations": ["UPDATE", "DELETE"]}, False),
    ({**PODS, "apiGroups": ["apps"], "resources": ["deployments"]}, False),
    ({**PODS, "scope": "Cluster"}, False),
    ({}, False),
]


@pytest.mark.parametrize(("rule", "judges"), RULES, ids=str)
def test_a_policy_judges_pods_by_its_rules(rule: dict[str, Any], judges: bool) -> None:  # noqa: FBT001
    """Only the creation of pods counts, wildcards included."""
    assert judges_pods(policy({"resources": ["nodes"]}, rule)) is judges


@pytest.mark.parametrize(("rule", "judges"), RULES, ids=str)
def test_a_binding_may_limit_its_policy(rule: dict[str, Any], judges: bool) -> None:  # noqa: FBT001
    """Without rules of its own it limits nothing."""
    assert denies_pods(binding(matchResources={"resourceRules": [rule]})) is judges


@pytest.mark.parametrize(
    ("excluded", "judges"), [(PODS, False), ({**PODS, "resourceNames": ["a"]}, True), ({"resources": ["nodes"]}, True)]
)
def test_rules_may_exclude_pods(excluded: dict[str, Any], judges: bool) -> None:  # noqa: FBT001
    """A rule for named pods excludes those alone."""
    constraints = {"excludeResourceRules": [excluded]}
    assert judges_pods(policy(PODS, constraints=constraints)) is judges
    assert denies_pods(binding(matchResources=constraints)) is judges


@pytest.mark.parametrize(
    ("actions", "denies"),
    [(["Deny"], True), (["Deny", "Audit"], True), (["Warn", "Audit"], False), ([], False), (None, False)],
)
def test_only_a_binding_that_denies_counts(actions: object, denies: bool) -> None:  # noqa: FBT001
    """Warnings and audit entries reject nothing."""
    assert denies_pods(binding(validationActions=actions)) is denies


@pytest.mark.parametrize("field", ["validations", "variables", "matchConditions"])
@pytest.mark.parametrize(
    ("expression", "mentions"),
    [
        ("!has(object.spec.runtimeClassName)", {"runtimeClassName"}),
        ("!object.spec.volumes.exists(v, has(v.hostPath))", {"volumes", "hostPath"}),
        ("object.spec.containers.all(c, !c.securityContext.privileged)", {"privileged"}),
        ("!has(c.securityContext.allowPrivilegeEscalation)", {"allowPrivilegeEscalation"}),
        ("c.env.all(e, e.name != 'NVIDIA_VISIBLE_DEVICES')", {"NVIDIA_VISIBLE_DEVICES", "env"}),
        ("!has(c.env) || c[\"env\"].all(e, e.name.startsWith('APP_'))", {"env"}),
        ("c.?env.orValue([]).size() == 0", {"env"}),
        ("has(object.metadata.labels.env) && object.metadata.labels['env'] in ['prod']", set()),
        ("'env' in object.metadata.annotations || has(c.envFrom) || object.spec.environment == ''", set()),
        ("object.spec.tolerations.size() == 0 && !has(object.spec.nodeSelector)", {"tolerations", "nodeSelector"}),
        ("object.metadata.name != 'x'", set()),
        (None, set()),
    ],
)
def test_the_fields_that_a_policy_mentions(field: str, expression: str | None, mentions: set[str]) -> None:
    """In validations, variables and conditions; the expressions themselves are not kept."""
    found = project_policy(policy(PODS, **{field: [{"expression": "true"}, {"expression": expression}, "odd"]}))
    assert found.mentions == mentions
    assert mentions <= set(MENTIONED_FIELDS)


def test_selectors_of_policy_and_binding_are_kept() -> None:
    """Both must select the namespace."""
    constraints = {"namespaceSelector": ML, "objectSelector": {"matchLabels": {"a": "b"}}}
    found = project_policy(policy(PODS, constraints=constraints))
    assert (found.namespace_selector, found.object_selector) == (ML, {"matchLabels": {"a": "b"}})
    assert project_policy(policy(PODS)).namespace_selector == {}
    assert project_binding(binding(matchResources={"namespaceSelector": ML})) == DenyingBinding("b", "p", ML)


def test_a_binding_with_parameters_is_a_binding() -> None:
    """What its parameters are is not kept."""
    item = binding(paramRef={"name": "limits", "parameterNotFoundAction": "Deny"})
    assert denies_pods(item)
    assert project_binding(item) == DenyingBinding("b", "p")


def webhook(name: str = "x", *, rule: Any = PODS, service: str = "", selector: Any = None) -> dict[str, Any]:  # noqa: ANN401
    """Return one webhook of a configuration."""
    config = {"service": {"name": service}} if service else {"url": "https://example.com"}
    return {"name": name, "rules": [rule], "clientConfig": config, "namespaceSelector": selector}


def configuration(*webhooks: dict[str, Any], **labels: str) -> dict[str, Any]:
    """Return a webhook configuration."""
    named = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    return {"metadata": {"name": "c", "labels": named}, "webhooks": list(webhooks)}


@pytest.mark.parametrize(
    ("item", "engine"),
    [
        (configuration(webhook("validate.kyverno.svc-fail")), "Kyverno"),
        (configuration(webhook(service="kyverno-svc")), "Kyverno"),
        (configuration(webhook(), webhook_kyverno_io__managed="x"), ""),
        (configuration(webhook("validation.gatekeeper.sh")), "Gatekeeper"),
        (configuration(webhook("mutation.gatekeeper.sh")), "Gatekeeper"),
        (configuration(webhook(), gatekeeper_sh__system="yes"), "Gatekeeper"),
        (configuration(webhook("clusterwide-no-privileged.kubewarden.admission")), "Kubewarden"),
        (configuration(webhook(service="policy-server-default")), "Kubewarden"),
        (configuration(webhook("webhook-server.datree.svc")), "Datree"),
        (configuration(webhook("policyeval.stackrox.io", service="admission-control")), "StackRox"),
        (configuration(webhook("neuvector-validating-admission-webhook.cattle-neuvector-system.svc")), "NeuVector"),
        (configuration(webhook("polaris.fairwinds.com")), "Polaris"),
        (configuration(webhook("validating-webhook.openpolicyagent.org")), "Open Policy Agent"),
        (configuration(webhook("no-privileged.jspolicy.svc", service="jspolicy")), "jsPolicy"),
        (configuration(webhook("sidecar-injector.istio.io", service="istiod")), ""),
        (configuration(webhook("workloads.gpu-injector.io", service="gpu-injector")), ""),
        (configuration(), ""),
    ],
)
def test_engines_are_recognised(item: dict[str, Any], engine: str) -> None:
    """By a label, a webhook's name or its Service."""
    assert is_of_engine(item) is bool(engine)
    assert project_engine_webhook(item).engine == engine


def test_an_engine_that_is_not_called_for_pods_is_left_out() -> None:
    """Engines also watch their own kinds."""
    own = {**PODS, "apiGroups": ["kyverno.io"], "resources": ["policies"]}
    assert not is_of_engine(configuration(webhook("validate-policy.kyverno.svc", rule=own)))


@pytest.mark.parametrize(
    ("selectors", "kept"),
    [
        ([ML], (ML,)),
        ([ML, {"matchLabels": {"team": "web"}}], (ML, {"matchLabels": {"team": "web"}})),
        ([ML, {}], ({},)),
        ([None], ({},)),
        ([ML] * (MAX_SELECTORS + 1), ({},)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_namespaces_of_an_engine(selectors: list[Any], kept: tuple[Any, ...]) -> None:
    """A webhook without a selector, or too many of them, is called for every namespace."""
    item = configuration(*(webhook("validate.kyverno.svc-fail", selector=selector) for selector in selectors))
    assert project_engine_webhook(item) == PolicyEngineWebhook("c", "Kyverno", kept)
