"""The host's devices in a container: the volume, its mount, and the privileges to open them."""

from collections.abc import Iterator

from webhook.decide.patch import Operation, add, remove
from webhook.decide.pod import Container
from webhook.kube.values import at
from webhook.names import DEVICES_VOLUME_NAME

DEVICES = "/dev"
DEVICES_VOLUME = {"name": DEVICES_VOLUME_NAME, "hostPath": {"path": DEVICES}}
DEVICES_MOUNT = {"name": DEVICES_VOLUME_NAME, "mountPath": DEVICES}


def privileged_operations(container: Container) -> Iterator[Operation]:
    """Make a container privileged; every other field of its security context stays."""
    context, pointer = container.spec.get("securityContext"), at(container.pointer, "securityContext")
    if not isinstance(context, dict):
        yield add(pointer, {"privileged": True})
        return
    # The API server rejects a pod that has both.
    if context.get("allowPrivilegeEscalation") is False:
        yield remove(at(pointer, "allowPrivilegeEscalation"))
    if context.get("privileged") is not True:
        yield add(at(pointer, "privileged"), True)
