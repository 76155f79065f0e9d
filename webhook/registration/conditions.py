"""The CEL conditions of the registrations: for which objects the API server calls the webhook."""

from webhook.names import ALWAYS, DECISION_KEY, INJECT_KEY
from webhook.policy.model import Policy
from webhook.view.plugin_projections import known_plugins

# The pod template of a workload; a CronJob's is one level deeper.
_TEMPLATE = "(has(object.spec.jobTemplate) ? object.spec.jobTemplate.spec.template : object.spec.template)"


def gpu_pods_condition(policy: Policy) -> str:
    """Return the CEL expression that selects GPU pods (matchConditions of the ``workloads`` entry).

    True if a container or init container requests a positive quantity of a GPU resource, or for the label value
    ``always``.
    Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
    """
    return f"({always_label('object.metadata')}) || {any_requests_gpu('object.spec', policy)}"


def gpu_templates_condition(policy: Policy) -> str:
    """Return the same for pod templates (the ``templates`` entry)."""
    return f"({always_label(f'{_TEMPLATE}.metadata')}) || {any_requests_gpu(f'{_TEMPLATE}.spec', policy)}"


def always_label(metadata: str) -> str:
    """Return the CEL expression that holds for an object whose label asks for the class without a request."""
    labels = f"{metadata}.labels"
    return f"has({metadata}) && has({labels}) && '{INJECT_KEY}' in {labels} && {labels}['{INJECT_KEY}'] == '{ALWAYS}'"


def injected_pods_condition() -> str:
    """Return the CEL expression of the ``ephemeral`` entry: pods that the webhook injected."""
    annotations = "object.metadata.annotations"
    ours = f"{annotations}['{DECISION_KEY}']"
    return f"has({annotations}) && '{DECISION_KEY}' in {annotations} && {ours}.startsWith('inject/')"


def plugin_pods_condition(policy: Policy) -> str:
    """Return the CEL expression of the ``bootstrap`` entry: pods with the label of a known plugin.

    An objectSelector cannot express "any of these keys".
    """
    labels = "object.metadata.labels"
    pairs = dict.fromkeys((plugin.label, plugin.value) for plugin in known_plugins(policy))
    matches = " || ".join(f"('{key}' in {labels} && {labels}['{key}'] == '{value}')" for key, value in pairs)
    return f"has({labels}) && ({matches})"


def no_controller_condition() -> str:
    """Return the CEL expression that excludes objects with a controller: no person sees their warnings."""
    owners = "object.metadata.ownerReferences"
    return f"!has({owners}) || !{owners}.exists(o, has(o.controller) && o.controller)"


def changed_template_condition() -> str:
    """Return the CEL expression that excludes updates without a change of the template."""
    return f"request.operation == 'CREATE' || {_TEMPLATE} != {_TEMPLATE.replace('object', 'oldObject')}"


def requests_gpu(container: str, policy: Policy) -> str:
    """Return the CEL expression that is true if a container requests a positive quantity of a GPU resource."""
    asks = " || ".join(_asks(f"{container}.resources.{field}", policy) for field in ("limits", "requests"))
    return f"has({container}.resources) && ({asks})"


def any_requests_gpu(spec: str, policy: Policy) -> str:
    """Return the CEL expression that holds for a pod's spec in which some container requests a GPU."""
    return (
        f"({spec}.containers + (has({spec}.initContainers) ? {spec}.initContainers : []))"
        f".exists(c, {requests_gpu('c', policy)})"
    )


def names_gpu(container: str, policy: Policy) -> str:
    """Return the CEL expression that holds for a container which lists a GPU resource, with any quantity."""
    is_gpu = " || ".join(_matches(pattern) for pattern in policy.resources)
    fields = [f"{container}.resources.{field}" for field in ("limits", "requests")]
    listed = " || ".join(f"(has({field}) && {field}.exists(k, {is_gpu}))" for field in fields)
    return f"has({container}.resources) && ({listed})"


def _asks(quantities: str, policy: Policy) -> str:
    is_gpu = " || ".join(_matches(pattern) for pattern in policy.resources)
    positive = f"quantity(string({quantities}[k])).isGreaterThan(quantity('0'))"
    return f"(has({quantities}) && {quantities}.exists(k, ({is_gpu}) && {positive}))"


def _matches(pattern: str) -> str:
    # The policy allows no quotes in a pattern.
    return f"k.startsWith('{pattern[:-1]}')" if pattern.endswith("*") else f"k == '{pattern}'"
