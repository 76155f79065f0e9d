"""The PodSecurity level that the API server enforces in a namespace.

Source: https://kubernetes.io/docs/concepts/security/pod-security-admission/
"""

from webhook.kube.values import EMPTY
from webhook.view.view import Labels

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"
PRIVILEGED = "privileged"


def enforced_level(namespace_labels: Labels | None, default_level: str) -> str:
    """Return the level of the namespace's label; the default where it has none, or its labels are unknown."""
    return (namespace_labels or EMPTY).get(ENFORCE_LABEL, default_level)
