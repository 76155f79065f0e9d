"""GPU pods whose spec cannot work, or that see more GPUs than they requested."""

from collections.abc import Iterator
from typing import Any

from webhook.decide.pod import Container, containers, driver_mounts, runtime_class_name
from webhook.decide.workload.void_env import VISIBLE_DEVICES
from webhook.doctor.check import Category, Check, Result, fails_on, warns_on
from webhook.doctor.checks.check_pod_starts import asking, not_starting, pending, place
from webhook.doctor.checks.check_runtime_class import missing_class_fix
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, known
from webhook.doctor.pod_trouble import is_over
from webhook.doctor.runtime_setup import handler_fix
from webhook.kube.metadata import full_name, name_of
from webhook.kube.values import items, mapping, text
from webhook.nvidia.own_driver_mounts import SHARED_LIBRARY_DIRECTORIES

# The resource of GPUs that the device plugin shares by time-slicing or MPS.
GPU, SHARED = "nvidia.com/gpu", "nvidia.com/gpu.shared"


def class_cannot_run(facts: ClusterFacts) -> Result:
    """No GPU pod names a class that its node does not run."""
    handlers = {name_of(item): text(item.get("handler")) for item in known(facts.runtime_classes)}
    pods = [pod for pod in known(facts.gpu_pods) if not is_over(pod)]
    found = [(pod, *trouble) for pod in pods if (trouble := _cannot_run(facts, pod, handlers))]
    return fails_on((f"{full_name(pod)}: {why}" for pod, why, _ in found), *(fix for _, _, fix in found[:1]))


def _cannot_run(facts: ClusterFacts, pod: ApiObject, handlers: dict[str, str]) -> tuple[str, str] | None:
    """Return why a pod's class cannot run, and the fix."""
    name, node_name = runtime_class_name(pod), text(mapping(pod.get("spec")).get("nodeName"))
    if not name:
        return None
    if name not in handlers:
        return f'its RuntimeClass "{name}" does not exist', missing_class_fix(name)
    node, handler = facts.node_facts.get(node_name), handlers[name]
    if node is None or node.handlers is None or handler in node.handlers:
        return None
    ours = name == facts.policy.runtime_class
    other = f"keep the pod to nodes with the runtime {handler}, or remove runtimeClassName"
    fix = handler_fix(facts.node(node_name), handler)[0] if ours else other
    return f'{node_name} has no runtime "{handler}" for its RuntimeClass "{name}"', fix


def leaking(facts: ClusterFacts) -> Result:
    """No container without a request of its own may see every GPU of its node."""
    troubles = (
        f"{full_name(pod)}, container {text(container.spec.get('name'))}: {why}"
        for pod in known(facts.gpu_pods)
        if runtime_class_name(pod) == facts.policy.runtime_class
        for container in containers(pod, facts.policy)
        if (why := _leaks(container))
    )
    return warns_on(troubles, f"set {VISIBLE_DEVICES}=void in that container, or let the webhook do it")


def _leaks(container: Container) -> str:
    if container.requests_gpu or container.may_define:
        return ""
    found = next((item for item in items(container.spec.get("env")) if item.get("name") == VISIBLE_DEVICES), None)
    if found is None:
        return f"requests no GPU and has no {VISIBLE_DEVICES}: an image made from CUDA's sees all"
    shut = text(found.get("value")) in ("", "void", "none")
    return "" if shut else f"requests no GPU, and {VISIBLE_DEVICES}={text(found.get('value'))} shows them"


def none_devices(facts: ClusterFacts) -> Result:
    """No container says "none" to the NVIDIA runtime, which does not start it in CDI mode."""
    troubles = (
        f"{full_name(pod)}, container {text(container.spec.get('name'))}: {VISIBLE_DEVICES}=none"
        for pod in known(facts.gpu_pods)
        if runtime_class_name(pod) == facts.policy.runtime_class
        for container in containers(pod, facts.policy)
        for item in items(container.spec.get("env"))
        if item.get("name") == VISIBLE_DEVICES and item.get("value") == "none"
    )
    return warns_on(troubles, f"set {VISIBLE_DEVICES}=void: it hides the GPUs in every mode")


def zero(facts: ClusterFacts) -> Result:
    """No pod asks for zero GPUs, which asks for none."""
    troubles = (
        f"{full_name(pod)} requests zero GPUs"
        for pod in known(facts.gpu_pods)
        if (found := containers(pod, facts.policy))
        and any(container.names_gpu for container in found)
        and not any(container.requests_gpu for container in found)
    )
    return warns_on(troubles, "request one, or remove the line; a pod without a request gets no device")


def user_namespaces(facts: ClusterFacts) -> Result:
    """No GPU pod runs in a user namespace, which NVIDIA's runtime cannot serve."""
    troubles = (
        f"{full_name(pod)} has hostUsers: false"
        for pod in asking(facts)
        if mapping(pod.get("spec")).get("hostUsers") is False
    )
    return warns_on(troubles, "remove hostUsers: false from GPU pods")


def directory_mounts(facts: ClusterFacts) -> Result:
    """No GPU pod mounts a whole library directory of the host, which hides or mixes its own libraries."""
    troubles = (
        f"{full_name(pod)} mounts {path} of the host as a whole"
        for pod in known(facts.gpu_pods)
        for container in containers(pod, facts.policy)
        for path in dict.fromkeys(driver_mounts(pod, container))
        if path.rstrip("/") in SHARED_LIBRARY_DIRECTORIES
    )
    return warns_on(troubles, "remove the mount and let the webhook add what is needed: the class, or single files")


def shared_twice(facts: ClusterFacts) -> Result:
    """No container requests a shared GPU more than once: it gets no more of it, and the plugin may refuse."""
    labels = [node for node in facts.gpu_nodes if node.labels.get("nvidia.com/gpu.sharing-strategy", "none") != "none"]
    shared = frozenset(node.name for node in labels)
    troubles = (
        f"{place(pod, container.spec)}: requests {amount} of a shared GPU"
        for pod in asking(facts)
        for container in containers(pod, facts.policy)
        for name, amount in _requested(container)
        if amount not in ("0", "1")
        and (name == SHARED or (name == GPU and text(mapping(pod.get("spec")).get("nodeName")) in shared))
    )
    fix = (
        "request 1: more requests give no more of a shared GPU, and with failRequestsGreaterThanOne the pod is rejected"
    )
    return warns_on(troubles, fix)


def _requested(container: Container) -> Iterator[tuple[str, str]]:
    limits = mapping(mapping(container.spec.get("resources")).get("limits"))
    return ((name, str(amount)) for name, amount in limits.items())


def unhealthy_devices(facts: ClusterFacts) -> Result:
    """No running GPU pod has a device that its kubelet calls unhealthy."""
    troubles = (
        f"{place(pod, container)}: {text(resource.get('resourceID'))} of {text(status.get('name'))} is "
        f"{text(resource.get('health'))}"
        for pod in asking(facts)
        for container in items(mapping(pod.get("status")).get("containerStatuses"))
        for status in items(container.get("allocatedResourcesStatus"))
        if facts.policy.is_gpu_resource(text(status.get("name")))
        for resource in items(status.get("resources"))
        if resource.get("health") == "Unhealthy"
    )
    return fails_on(troubles, "create the pod again, so that it gets another GPU; then see gpus-healthy for its node")


def device_mounts(facts: ClusterFacts) -> Result:
    """No unprivileged container counts on a hostPath of /dev/nvidia*: the device cgroup lets none open it."""
    troubles = (
        f"{full_name(pod)}, container {text(container.get('name'))}: {path} by hostPath, unprivileged"
        for pod in known(facts.gpu_pods)
        for container in items(mapping(pod.get("spec")).get("containers"))
        if mapping(container.get("securityContext")).get("privileged") is not True
        for path in _device_paths(pod, container)
    )
    return warns_on(troubles, "request nvidia.com/gpu instead: the device plugin passes the devices")


def _device_paths(pod: ApiObject, container: Any) -> Iterator[str]:  # noqa: ANN401  any object of a pod
    paths = {
        text(volume.get("name")): text(mapping(volume.get("hostPath")).get("path"))
        for volume in items(mapping(pod.get("spec")).get("volumes"))
    }
    mounted = (paths.get(text(mount.get("name")), "") for mount in items(container.get("volumeMounts")))
    return (path for path in mounted if path.startswith("/dev/nvidia"))


CATEGORY = Category(
    "GPU pods as they are",
    (
        Check("pods-class", "no GPU pod names a class that its node does not run", class_cannot_run),
        Check("pods-leaking", "no container sees GPUs that it did not request", leaking),
        Check("pods-none", "no container hides GPUs in a way that may not start", none_devices),
        Check("pods-zero", "no pod requests zero GPUs", zero),
        Check("pods-user-namespaces", "no GPU pod has hostUsers: false", user_namespaces),
        Check("pods-directories", "no GPU pod mounts whole library directories", directory_mounts),
        Check("pods-device-mounts", "no unprivileged pod mounts /dev/nvidia* by itself", device_mounts),
        Check("pods-shared-twice", "no container requests a shared GPU more than once", shared_twice),
        Check("pods-unhealthy-device", "no GPU pod has an unhealthy device", unhealthy_devices),
        Check("pods-pending", "no GPU pod waits for a node", pending),
        Check("pods-not-starting", "no container of a GPU pod fails to start", not_starting),
    ),
)
