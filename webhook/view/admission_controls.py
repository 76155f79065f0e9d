"""Admission controls that may reject a patched pod: ValidatingAdmissionPolicies, and webhooks of policy engines.

Only what concerns the creation of pods is kept; of expressions, only the fields that they mention.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.kube.metadata import labels_of, name_of
from webhook.kube.values import elements, empty_mapping, items, mapping, text

Selector = Mapping[str, Any]

# The fields and variables of a pod that our patches change.
MENTIONED_FIELDS = (
    *("runtimeClassName", "tolerations", "nodeSelector", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
    *("hostPath", "volumes", "volumeMounts", "privileged", "allowPrivilegeEscalation", "LD_LIBRARY_PATH"),
    "env",
)
# The field, as in c.env, c.?env and c["env"], and no label or annotation of that name.
ENV_FIELD = re.compile(r"""(?<!labels)(?<!annotations)(?:\.\??|\[\??["'])env\b""")
# A configuration with more entries is kept as one that selects every namespace.
MAX_SELECTORS = 100


@dataclass(frozen=True, slots=True)
class PodAdmissionPolicy:
    """A ValidatingAdmissionPolicy that judges the creation of pods.

    ``mentions`` are those of ``MENTIONED_FIELDS`` that its expressions name. An empty selector selects everything.
    """

    name: str
    mentions: frozenset[str] = frozenset()
    namespace_selector: Selector = field(default_factory=empty_mapping)
    object_selector: Selector = field(default_factory=empty_mapping)


@dataclass(frozen=True, slots=True)
class DenyingBinding:
    """A ValidatingAdmissionPolicyBinding with the action ``Deny``. It may have parameters, which are not kept."""

    name: str
    policy: str
    namespace_selector: Selector = field(default_factory=empty_mapping)
    object_selector: Selector = field(default_factory=empty_mapping)


@dataclass(frozen=True, slots=True)
class PolicyEngineWebhook:
    """A webhook configuration of a policy engine that is called for the creation of pods.

    A namespace is selected if one of ``namespace_selectors`` selects it; an empty selector selects every namespace.
    """

    name: str
    engine: str
    namespace_selectors: tuple[Selector, ...]


@dataclass(frozen=True, slots=True)
class _Engine:
    """How to recognise a policy engine's webhooks: by a label, or by the name of a webhook or of its Service.

    ``api_groups`` are those of its policies. An engine without any is installed where it has a webhook.
    """

    name: str
    api_groups: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    webhook_names: tuple[str, ...] = ()
    service_prefixes: tuple[str, ...] = ()

    def serves(self, item: Mapping[str, Any]) -> bool:
        labels = labels_of(item)
        if any(labels.get(key) == value for key, value in self.labels):
            return True
        return any(
            any(part in text(webhook.get("name")) for part in self.webhook_names)
            or _service(webhook).startswith(self.service_prefixes)
            for webhook in items(item.get("webhooks"))
        )


def _service(webhook: Mapping[str, Any]) -> str:
    return text(mapping(mapping(webhook.get("clientConfig")).get("service")).get("name"))


# Sources: the charts and manifests of these projects.
ENGINES = (
    _Engine(
        "Kyverno",
        ("kyverno.io", "policies.kyverno.io"),
        (("webhook.kyverno.io/managed-by", "kyverno"), ("app.kubernetes.io/part-of", "kyverno")),
        (".kyverno.svc",),
        ("kyverno-svc",),
    ),
    _Engine(
        "Gatekeeper",
        ("templates.gatekeeper.sh",),
        (("gatekeeper.sh/system", "yes"),),
        ("validation.gatekeeper.sh", "mutation.gatekeeper.sh"),
        ("gatekeeper-webhook-service",),
    ),
    _Engine(
        "Kubewarden",
        ("policies.kubewarden.io",),
        (("kubewarden", "true"), ("app.kubernetes.io/part-of", "kubewarden")),
        (".kubewarden.admission",),
        ("policy-server-",),
    ),
    _Engine("jsPolicy", ("policy.jspolicy.com",), webhook_names=("jspolicy",), service_prefixes=("jspolicy",)),
    _Engine("NeuVector", webhook_names=("neuvector-validating-admission-webhook",)),
    _Engine("StackRox", webhook_names=("policyeval.stackrox.io",)),
    _Engine("Datree", webhook_names=(".datree.svc",)),
    _Engine("Polaris", webhook_names=("polaris.fairwinds.com",)),
    _Engine("Open Policy Agent", webhook_names=("validating-webhook.openpolicyagent.org",)),
)


def judges_pods(item: Mapping[str, Any]) -> bool:
    """Say whether a ValidatingAdmissionPolicy matches the creation of pods."""
    constraints = mapping(mapping(item.get("spec")).get("matchConstraints"))
    return _matches_pods(constraints.get("resourceRules")) and not _excludes_pods(constraints)


def project_policy(item: Mapping[str, Any]) -> PodAdmissionPolicy:
    """Keep which namespaces a ValidatingAdmissionPolicy selects, and which fields its expressions mention."""
    spec = mapping(item.get("spec"))
    constraints = mapping(spec.get("matchConstraints"))
    expressions = [
        text(entry.get("expression"))
        for field in ("validations", "variables", "matchConditions")
        for entry in items(spec.get(field))
    ]
    return PodAdmissionPolicy(
        name=name_of(item),
        mentions=frozenset(word for expression in expressions for word in mentioned_fields(expression)),
        namespace_selector=mapping(constraints.get("namespaceSelector")),
        object_selector=mapping(constraints.get("objectSelector")),
    )


def mentioned_fields(expression: str) -> Iterator[str]:
    """Yield those of ``MENTIONED_FIELDS`` that an expression names."""
    for word in MENTIONED_FIELDS:
        if word in expression and (word != "env" or ENV_FIELD.search(expression)):
            yield word


def denies_pods(item: Mapping[str, Any]) -> bool:
    """Say whether a binding has the action ``Deny`` and includes the creation of pods."""
    spec = mapping(item.get("spec"))
    resources = mapping(spec.get("matchResources"))
    limited = elements(resources.get("resourceRules"))
    matches = not limited or _matches_pods(limited)
    return "Deny" in elements(spec.get("validationActions")) and matches and not _excludes_pods(resources)


def project_binding(item: Mapping[str, Any]) -> DenyingBinding:
    """Keep the policy that a binding puts into force, and the namespaces that it selects."""
    spec = mapping(item.get("spec"))
    resources = mapping(spec.get("matchResources"))
    return DenyingBinding(
        name=name_of(item),
        policy=text(spec.get("policyName")),
        namespace_selector=mapping(resources.get("namespaceSelector")),
        object_selector=mapping(resources.get("objectSelector")),
    )


def is_of_engine(item: Mapping[str, Any]) -> bool:
    """Say whether a webhook configuration is a policy engine's and is called for the creation of pods."""
    return _engine(item) is not None and bool(_called_for_pods(item))


def project_engine_webhook(item: Mapping[str, Any]) -> PolicyEngineWebhook:
    """Keep the engine of a webhook configuration, and the namespaces for whose pods it is called."""
    engine = _engine(item)
    selectors = tuple(mapping(webhook.get("namespaceSelector")) for webhook in _called_for_pods(item))
    everything = len(selectors) > MAX_SELECTORS or not all(selectors)
    return PolicyEngineWebhook(
        name=name_of(item),
        engine=engine.name if engine else "",
        namespace_selectors=(empty_mapping(),) if everything else selectors,
    )


def _engine(item: Mapping[str, Any]) -> _Engine | None:
    return next((engine for engine in ENGINES if engine.serves(item)), None)


def _called_for_pods(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [webhook for webhook in items(item.get("webhooks")) if _matches_pods(webhook.get("rules"))]


def _excludes_pods(constraints: Mapping[str, Any]) -> bool:
    # A rule that excludes some pods only, by name, excludes no pod for certain.
    rules = (rule for rule in items(constraints.get("excludeResourceRules")) if not rule.get("resourceNames"))
    return any(map(_rule_matches_pods, rules))


def _matches_pods(rules: object) -> bool:
    return any(map(_rule_matches_pods, items(rules)))


def _rule_matches_pods(rule: Mapping[str, Any]) -> bool:
    """Say whether a rule covers the creation of pods; ``*`` covers all resources, ``*/*`` their subresources, too."""
    return (
        _has(rule.get("operations"), ("CREATE", "*"))
        and _has(rule.get("apiGroups"), ("", "*"))
        and _has(rule.get("apiVersions"), ("v1", "*"))
        and _has(rule.get("resources"), ("pods", "*", "*/*"))
        and rule.get("scope") != "Cluster"
    )


def _has(values: object, wanted: Iterable[str]) -> bool:
    listed = elements(values)
    return any(word in listed for word in wanted)
