"""What the API server is told about us, as far as the policy says it: the conditions under which it calls."""

from webhook.policy import Policy


def gpu_pods_condition(policy: Policy) -> str:
    """Return the CEL expression that keeps pods without a GPU away (matchConditions of the ``workloads`` entry).

    It holds for a pod in which a container or init container asks for a positive quantity of a GPU resource.
    Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
    """
    return (
        "(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))"
        f".exists(c, has(c.resources) && ({_asks('limits', policy)} || {_asks('requests', policy)}))"
    )


def _asks(field: str, policy: Policy) -> str:
    is_gpu = " || ".join(_matches(pattern) for pattern in policy.resources)
    quantities = f"c.resources.{field}"
    positive = f"quantity(string({quantities}[k])).isGreaterThan(quantity('0'))"
    return f"(has({quantities}) && {quantities}.exists(k, ({is_gpu}) && {positive}))"


def _matches(pattern: str) -> str:
    # The policy lets no quote into a pattern.
    return f"k.startsWith('{pattern[:-1]}')" if pattern.endswith("*") else f"k == '{pattern}'"
