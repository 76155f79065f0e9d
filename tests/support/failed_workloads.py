"""Events of pods that could not be created or started, and the pods of the controllers that they are about."""

from typing import Any

from support.golden_cases import GOLDEN, read_view
from support.setback_world import NO_HANDLER
from webhook.decide.decision import Decision, RequestInfo
from webhook.decide.workload.decide import decide
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

Json = dict[str, Any]

NAMESPACE, ELSEWHERE = "ml", "other"
CONTROLLER, POD = "rs-1", "pod-1"
LIBRARY = "/usr/lib/x86_64-linux-gnu/libcuda.so.1"
NO_FILE = (
    'MountVolume.SetUp failed for volume "gpu-injector-libcuda-so-1" : hostPath type check failed: '
    f"{LIBRARY} is not a file"
)
REFUSED = (
    "Error creating: pods \"model-7c9d-abcde\" is forbidden: ValidatingAdmissionPolicy 'no-host' with binding "
    "'no-host' denied request: hostPath is not allowed"
)
NO_CLASS = (
    'Error creating: admission webhook "validate.kyverno.svc-fail" denied the request: resource Pod/ml/x was blocked: '
    "field spec.runtimeClassName must be unset"
)
# Golden cases whose pods get the class, its handler not reported; and the libraries.
INJECT, MOUNT = read_view(GOLDEN / "inject-handler-unknown" / "view.yaml"), read_view(GOLDEN / "mount" / "view.yaml")


def event(message: str = NO_HANDLER, reason: str = "FailedCreatePodSandBox", **changes: Any) -> Json:  # noqa: ANN401
    """Return an Event of a kubelet about a pod of the namespace."""
    about = {"kind": "Pod", "namespace": NAMESPACE, "name": "model-7c9d-abcde", "uid": POD}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "model.1", "namespace": NAMESPACE},
        "involvedObject": about,
        "type": "Warning",
        "reason": reason,
        "message": message,
        **changes,
    }


def refusal(message: str = REFUSED, **about: str) -> Json:
    """Return an Event of a controller about itself: the API server refused its pod."""
    known = {"kind": "ReplicaSet", "namespace": NAMESPACE, "name": "model-7c9d", "uid": CONTROLLER}
    return event(message, "FailedCreate", involvedObject=known | about)


def of_namespace(item: Json, namespace: str, about: str | None = None) -> Json:
    """Return an Event of another namespace; ``about`` is the namespace of what it is about, if that is another one."""
    name = f"{item['metadata']['name']}-{namespace}"
    return {
        **item,
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {**item["involvedObject"], "namespace": about or namespace},
    }


def gpu_pod(**metadata: Any) -> Json:  # noqa: ANN401
    """Return the next pod of the controller; with ``ownerReferences=[]`` and a name a pod that a person creates."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "model-7c9d", "uid": CONTROLLER, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "model-7c9d-",
            "namespace": NAMESPACE,
            "ownerReferences": [owner],
            **metadata,
        },
        "spec": {"containers": [{"name": "model", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
    }


ALONE: Json = {"generateName": "", "name": "model", "ownerReferences": []}


def decided(pod: Json, view: ClusterView, policy: Policy | None = None, namespace: str = NAMESPACE) -> Decision:
    """Decide on a pod of a namespace."""
    return decide(pod, RequestInfo(namespace), policy or Policy(), view)
