"""The fix for each cause that kubelets, runtimes and controllers report."""

from webhook.doctor.checks.check_runtime_class import missing_class_fix
from webhook.nvidia.failure_messages import Failure, FailureKind

HOOK = "on the node: nvidia-smi; then nvidia-container-cli -d /dev/stderr info"
FIXES = {
    FailureKind.HANDLER_UNKNOWN: "configure the handler on the node (see runtime-handler), or remove runtimeClassName",
    FailureKind.CDI_HOOK_MISSING: "on the node: install nvidia-container-toolkit, then nvidia-ctk cdi generate "
    "--output=/etc/cdi/nvidia.yaml: the specification names a program that is not there ({subject})",
    FailureKind.RUNTIME_MISSING: "on the node: install nvidia-container-toolkit; the runtime's configuration names "
    "{subject}, which is not there",
    FailureKind.HOST_PATH_TYPE: "{subject} is not on the node: install the driver's package, or remove the mount",
    FailureKind.CONTAINER_CLI: HOOK,
    FailureKind.RUNTIME_FAILED: HOOK,
    FailureKind.MOUNT_TARGET: "another volume of the pod covers {subject}: mount one of the two elsewhere",
    FailureKind.DEVICE_ALLOCATION: "the device plugin had no healthy device: see its log and gpus-healthy, then "
    "delete the pod, so that its controller creates another one",
    FailureKind.DEVICE_CLAIM: "see the pods of the DRA driver on the node: kubectl get pods -A -o wide | grep -i dra",
    FailureKind.CLASS_SCHEDULING: "the RuntimeClass and the pod select different nodes: correct one of the selectors",
    FailureKind.CLASS_OVERHEAD: "remove `overhead` from the pod, or the RuntimeClass's",
    FailureKind.TOLERATIONS: "the namespace's annotation tolerationsWhitelist does not allow the pod's tolerations",
    FailureKind.QUOTA: "raise ResourceQuota {subject}: kubectl describe resourcequota -n NAMESPACE",
    FailureKind.POD_SECURITY: "the namespace enforces PodSecurity {subject}: make the RuntimeClass work on nodes: it "
    "needs no hostPath",
    FailureKind.SECURITY_CONTEXT_CONSTRAINTS: "grant the pod's ServiceAccount an SCC that allows its volumes",
    FailureKind.ADMISSION_POLICY: "ValidatingAdmissionPolicy {subject} refuses the pod: change it or its binding",
    FailureKind.ADMISSION_WEBHOOK: "the webhook {subject} refuses the pod: its message says what it wants",
}


def fix_for(failure: Failure) -> str:
    """Return the fix for a cause; empty if one has to look at the pod."""
    match failure.kind:
        case FailureKind.CDI_UNRESOLVED:
            return cdi_fix(failure.subject)
        case FailureKind.CLASS_NOT_FOUND:
            return missing_class_fix(failure.subject)
        case kind:
            return FIXES.get(kind, "").replace("{subject}", failure.subject)


def cdi_fix(device: str) -> str:
    """Return the fix for an unknown CDI device."""
    if device.startswith("management."):
        return "the GPU Operator hands GPUs out by CDI: remove runtimeClassName from the pod"
    if device.endswith("=none"):
        return "set NVIDIA_VISIBLE_DEVICES=void, not none"
    return "on the node: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
