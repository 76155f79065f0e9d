"""ServiceAccounts as users, with one of Kubernetes' own roles in one namespace."""

from collections.abc import Iterator
from contextlib import contextmanager

from e2e.control_plane import ControlPlane
from e2e.kubectl import Kubectl, Manifest, as_list


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


@contextmanager
def editor_of(namespace: str, name: str, plane: ControlPlane) -> Iterator[Kubectl]:
    """Have a ServiceAccount with the role ``edit`` in a namespace, until the context ends; yield its kubectl."""
    account = account_with_role(name, namespace, "edit")
    plane.kubectl.apply(account)
    yield Kubectl(plane.kubectl.program, plane.kubeconfig_of(name, namespace))
    plane.kubectl.run("delete", "-f", "-", stdin=as_list(account))
