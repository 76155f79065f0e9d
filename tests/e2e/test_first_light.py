"""What a user of kubectl sees: GPU pods that are patched or left alone, always with the reason."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from e2e.audit import audited_decision
from e2e.control_plane import ControlPlane
from e2e.kubectl import Kubectl
from e2e.namespaces import DRY_RUN, ENABLED
from e2e.pods import (
    as_written,
    assert_warned,
    container,
    decision_of,
    pod,
    runtime_class_of,
    visible_devices_of,
    wait_for_decision,
)

pytestmark = pytest.mark.usefixtures("webhook")

ENTRY = "workloads.gpu-injector.io"
INJECTED = "inject/runtime-class"
NO_CLASS = "leave/runtime-class-missing"

Pod = Mapping[str, Any]

WAYS_TO_ASK: Mapping[str, Pod] = {
    "one container": pod(ENABLED, container(gpus=1)),
    "text": pod(ENABLED, container(gpus="1k")),
    "the second container": pod(ENABLED, container("web"), container("model", gpus=1)),
    "an init container": pod(ENABLED, container(), initContainers=[container("warm-up", gpus=1)]),
    "a sidecar": pod(ENABLED, container(), initContainers=[container("proxy", gpus=1, restartPolicy="Always")]),
    "a MIG slice": pod(ENABLED, container(resources={"limits": {"nvidia.com/mig-1g.5gb": 1}})),
    "a shared GPU": pod(ENABLED, container(resources={"limits": {"nvidia.com/gpu.shared": 1}})),
}

# By reason: the pod, and a part of the warning that its author reads, empty where there is nothing to say.
LEFT_ALONE: Mapping[str, tuple[Pod, str]] = {
    "not-applicable": (pod(ENABLED, os={"name": "windows"}), ""),
    "author-chose": (pod(ENABLED, runtimeClassName="gvisor"), ""),
    "author-mounts": (
        pod(
            ENABLED,
            container(gpus=1, volumeMounts=[{"name": "driver", "mountPath": "/opt/libcuda.so.1", "readOnly": True}]),
            volumes=[{"name": "driver", "hostPath": {"path": "/usr/lib64/libcuda.so.1", "type": "File"}}],
        ),
        "",
    ),
    "user-namespaces": (pod(ENABLED, hostUsers=False), "hostUsers: false"),
}


@pytest.mark.parametrize("author", WAYS_TO_ASK.values(), ids=WAYS_TO_ASK)
def test_a_gpu_pod_gets_the_runtime_class(kubectl: Kubectl, author: Pod) -> None:
    """Whichever container asks, and in whichever way, the pod runs under the class and says why."""
    created = kubectl.create(author)
    assert runtime_class_of(created.object) == "nvidia"
    assert decision_of(created.object) == INJECTED
    assert created.warnings == []


def test_only_containers_without_a_gpu_see_none(kubectl: Kubectl) -> None:
    """A container's own setting stays, and a container that requests a GPU keeps what the device plugin gives."""
    own = container("own", env=[{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}])
    created = kubectl.create(pod(ENABLED, container("model", gpus=1), container("web"), own)).object
    assert visible_devices_of(created) == {"model": None, "web": "void", "own": "all"}


@pytest.mark.parametrize(
    ("reason", "author", "warning"), [(key, *row) for key, row in LEFT_ALONE.items()], ids=LEFT_ALONE
)
def test_a_pod_left_alone_is_as_its_author_wrote_it(kubectl: Kubectl, reason: str, author: Pod, warning: str) -> None:
    """Nothing but the annotation is added; a warning comes where something needs attention."""
    created = kubectl.create(author)
    assert created.object["spec"] == as_written(kubectl, author)
    assert decision_of(created.object) == f"leave/{reason}"
    assert_warned(created.warnings, warning)


@pytest.fixture
def no_runtime_class(kubectl: Kubectl) -> Iterator[None]:
    """Remove RuntimeClass nvidia for one test."""
    removed = kubectl.get("runtimeclass", "nvidia")
    kubectl.run("delete", "runtimeclass", "nvidia")
    wait_for_decision(kubectl, NO_CLASS)
    yield
    kubectl.apply([{key: removed[key] for key in ("apiVersion", "kind", "handler")} | {"metadata": {"name": "nvidia"}}])
    wait_for_decision(kubectl, INJECTED)


@pytest.mark.usefixtures("no_runtime_class")
def test_without_the_runtime_class_a_pod_is_created_with_a_warning(kubectl: Kubectl) -> None:
    """The API server rejects a pod whose class does not exist: it is not set, and the author gets a warning."""
    created = kubectl.create(pod(ENABLED))
    assert created.object["spec"] == as_written(kubectl, pod(ENABLED))
    assert decision_of(created.object) == NO_CLASS
    assert_warned(created.warnings, 'RuntimeClass "nvidia" not found')


@pytest.mark.parametrize(
    ("name", "author", "word"),
    [
        ("audited-injected", pod(ENABLED), INJECTED),
        ("audited-left", pod(ENABLED, runtimeClassName="gvisor"), "leave/author-chose"),
        ("audited-dry-run", pod(DRY_RUN), INJECTED),
    ],
    ids=["injected", "left", "dry-run"],
)
def test_the_audit_log_tells_the_decision(
    plane: ControlPlane, kubectl: Kubectl, name: str, author: Pod, word: str
) -> None:
    """The API server's audit log contains the decision, in dry-run too."""
    kubectl.create({**author, "metadata": {**author["metadata"], "name": name}})
    assert audited_decision(plane, ENTRY, name) == word


def test_a_dry_run_namespace_only_warns(kubectl: Kubectl) -> None:
    """The author reads what would be done; the pod has neither patch nor annotation."""
    created = kubectl.create(pod(DRY_RUN))
    assert created.object["spec"] == as_written(kubectl, pod(DRY_RUN))
    assert decision_of(created.object) is None
    assert_warned(created.warnings, 'would set runtimeClassName "nvidia"')


def test_a_server_side_dry_run_shows_the_patched_pod(kubectl: Kubectl) -> None:
    """One request can be tried: the answer is the patched pod, and nothing is stored."""
    author = json.dumps(pod(ENABLED, name="tried-only"))
    shown = yaml.safe_load(kubectl.run("create", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=author).stdout)
    assert (runtime_class_of(shown), decision_of(shown)) == ("nvidia", INJECTED)
    assert "NotFound" in kubectl.attempt("get", "pod", "tried-only", "--namespace", ENABLED).stderr
