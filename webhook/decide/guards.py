"""Guards: admission control of the cluster that sees the patched pod and may refuse it."""

# https://kubernetes.io/docs/concepts/security/pod-security-admission/
ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"

# Admission controllers that usually refuse privileged containers and hostPath volumes, by their API group.
ADMISSION_CONTROLLERS = {
    "security.openshift.io": "SecurityContextConstraints",
    "kyverno.io": "Kyverno",
    "templates.gatekeeper.sh": "Gatekeeper",
    "policies.kubewarden.io": "Kubewarden",
}


def installed_guard(api_groups: frozenset[str] | None) -> str:
    """Return an admission controller whose API group is served, empty for none or where groups are unknown."""
    return next((name for group, name in ADMISSION_CONTROLLERS.items() if group in (api_groups or ())), "")
