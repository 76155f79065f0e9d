"""ServiceAccounts as users, with one of Kubernetes' own roles in one namespace."""

from e2e.kubectl import Manifest


def account_with_role(name: str, namespace: str, role: str) -> list[Manifest]:
    """Return a ServiceAccount and the RoleBinding that gives it the ClusterRole ``role`` in its namespace."""
    metadata = {"name": name, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        },
    ]
