"""An opted-in namespace with a restrictive PodSecurity level."""

from typing import Any

from e2e.namespaces import INJECT

RESTRICTED = "team-restricted"


def restricted_namespace() -> dict[str, Any]:
    """Return the namespace; the API server refuses hostPath volumes and privileged containers there."""
    labels = {INJECT: "enabled", "pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RESTRICTED, "labels": labels}}
