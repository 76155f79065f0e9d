"""The pods that the tests create, and functions that read the stored pods."""

from collections.abc import Mapping
from typing import Any

from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED, UNLABELLED
from e2e.processes import until

GPU = "nvidia.com/gpu"
DECISION = "gpu-injector.io/decision"

Container = Mapping[str, Any]


def container(name: str = "main", *, gpus: int | str | None = None, **fields: object) -> Container:
    """Return a container that requests so many GPUs; ``None`` does not mention them."""
    resources = {} if gpus is None else {"resources": {"limits": {GPU: gpus}}}
    return {"name": name, "image": "registry.example.com/cuda:12", **resources, **fields}


def pod(
    namespace: str, *containers: Container, name: str = "", labels: Mapping[str, str] | None = None, **spec: object
) -> dict[str, Any]:
    """Return a pod; without a name the API server gives it one, without containers it gets one with a GPU."""
    metadata = {
        "namespace": namespace,
        "labels": labels or {},
        **({"name": name} if name else {"generateName": "gpu-"}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        # A token's volume gets a random name: without it, two pods of one author are equal.
        "spec": {"containers": list(containers) or [container(gpus=1)], "automountServiceAccountToken": False, **spec},
    }


def decision_of(created: Mapping[str, Any]) -> str | None:
    """Return the decision in a pod's annotation, None if there is none."""
    word: str | None = created["metadata"].get("annotations", {}).get(DECISION)
    return word


def runtime_class_of(created: Mapping[str, Any]) -> str | None:
    """Return the RuntimeClass of a pod, None where it has none."""
    name: str | None = created["spec"].get("runtimeClassName")
    return name


def visible_devices_of(created: Mapping[str, Any]) -> dict[str, str | None]:
    """Return ``NVIDIA_VISIBLE_DEVICES`` of every container by its name, None where it is not set."""
    return {one["name"]: _visible_devices(one) for one in created["spec"]["containers"]}


def _visible_devices(one: Container) -> str | None:
    variables = (variable for variable in one.get("env", []) if variable["name"] == "NVIDIA_VISIBLE_DEVICES")
    return next((variable["value"] for variable in variables), None)


def as_written(kubectl: Kubectl, author: Mapping[str, Any]) -> Any:  # noqa: ANN401  a pod's spec, as JSON
    """Return the spec that the API server makes of a pod in a namespace that the webhook is not called for."""
    elsewhere = {**author, "metadata": {"namespace": UNLABELLED, "generateName": "as-written-"}}
    return kubectl.create(elsewhere, "--dry-run=server").object["spec"]


def assert_warned(warnings: list[str], part: str) -> None:
    """Assert that one warning was shown, ours and with this part; none where the part is empty."""
    assert [line.startswith("gpu-injector: ") and part in line for line in warnings] == ([True] if part else [])


def wait_for_decision(kubectl: Kubectl, word: str) -> None:
    """Wait until a GPU pod would get this decision: caches of API server and webhook follow a change by themselves."""
    until(lambda: would_be_decided(kubectl) == word, f"a GPU pod of namespace {ENABLED} gets {word}")


def would_be_decided(kubectl: Kubectl) -> str | None:
    """Return the decision that a GPU pod would get now; None where it gets none, or would be refused."""
    return dry_run(kubectl, pod(ENABLED))


def dry_run(kubectl: Kubectl, author: Mapping[str, Any]) -> str | None:
    """Return the decision that this pod would get; None where it gets none, or would be refused."""
    printed = kubectl.attempt_create(author, "--dry-run=server")
    return decision_of(printed.object) if printed.code == 0 else None
