"""The fix for each cause that kubelets, runtimes and controllers report."""

from webhook.doctor.checks.check_runtime_class import missing_class_fix
from webhook.nvidia.container_cli_messages import CONFIG, LOOK, fix_of_cli
from webhook.nvidia.failure_messages import Failure, FailureKind

DELETE = "delete the pod, so that its controller creates another one"
FIXES = {
    FailureKind.HANDLER_UNKNOWN: "configure the handler {subject} on the node (nvidia-ctk runtime configure, then "
    "restart its container runtime), or remove runtimeClassName",
    FailureKind.CDI_HOOK_MISSING: "on the node: install nvidia-container-toolkit, then nvidia-ctk cdi generate "
    "--output=/etc/cdi/nvidia.yaml: the specification names a program that is not there ({subject})",
    FailureKind.RUNTIME_MISSING: "on the node: install nvidia-container-toolkit; the runtime's configuration names "
    "{subject}, which is not there",
    FailureKind.HOST_PATH_TYPE: "{subject} is not on the node: install the driver's package, or remove the mount",
    FailureKind.PROGRAM_MISSING: "{subject} comes from the driver, and the container does not run under NVIDIA's "
    "runtime: see pods-uncalled and pods-left; where it does, NVIDIA_DRIVER_CAPABILITIES lacks `utility`",
    FailureKind.DEVICE_NODE_MISSING: "on the node: nvidia-modprobe -u -m creates {subject} (the driver's pod does "
    "below /run/nvidia/driver); with CDI then nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
    FailureKind.READ_ONLY_HOST: "{subject} cannot be created on this system: mount something else there, or use the "
    "RuntimeClass",
    FailureKind.GPU_LOST: "the node lost a GPU: dmesg | grep -i xid, then reboot it; if it comes back, replace the GPU",
    FailureKind.XID: "on the node: dmesg | grep -i xid; restart its device plugin's pod, then reboot the node "
    "(https://docs.nvidia.com/deploy/xid-errors names the error)",
    FailureKind.SHARED_TOO_MANY: "request 1 of {subject}: the GPU is shared, and more requests give no more of it",
    FailureKind.TOPOLOGY: "the kubelet's topologyManagerPolicy is too strict for this pod: use best-effort on the "
    "node, or request GPUs and CPUs of one NUMA node",
    FailureKind.IMAGE_PLATFORM: "the image is not built for the node's architecture: use one for it, or a nodeSelector "
    "kubernetes.io/arch",
    FailureKind.IMAGE_SPACE: "the node's disk is full: remove images there (crictl rmi --prune), or use a larger disk",
    FailureKind.IMAGE: "the image cannot be pulled: see its name, the pull secret and the registry's answer",
    FailureKind.QUOTA_SCOPE: "pods of these priority classes need a ResourceQuota in their namespace: create one with "
    "scopeSelector {subject} (GKE asks for it), or take priorityClassName out",
    FailureKind.LIMIT_RANGE: "change the namespace's LimitRange: kubectl describe limitrange -n {namespace}",
    FailureKind.GPU_QUANTITY: "GPUs are whole numbers, and a request must be equal to its limit; for a part of a GPU "
    "use time-slicing, MPS or MIG ({subject})",
    FailureKind.RUNTIME_FAILED: LOOK,
    FailureKind.MOUNT_TARGET: "another volume of the pod covers {subject}: mount one of the two elsewhere",
    FailureKind.DEVICE_ALLOCATION: "the device plugin had no free and healthy device when the pod came. Where the node "
    f"offers its GPUs (kubectl describe node: Allocatable), {DELETE}; otherwise see the plugin's log",
    FailureKind.PLUGIN_AWAY: "the device plugin was not there when the kubelet asked it, as after a restart of node, "
    f"kubelet or plugin. Where the node offers its GPUs again (kubectl describe node: Allocatable), {DELETE}",
    FailureKind.SHARING_SCHEDULER: "another scheduler placed the pod, and a sharing plugin needs its own: take "
    f"nodeName out of the pod, set its schedulerName, and see that this scheduler runs; then {DELETE}",
    FailureKind.NODE_FULL: "the node had too little {subject}: the pod names its node itself (nodeName), or the "
    f"device plugin was not ready yet after a restart. Where the node has some free, {DELETE}",
    FailureKind.NODE_LABELS: "the node that the pod was given does not match its nodeSelector, its affinity or its "
    f"RuntimeClass: correct one of them, or take nodeName out; then {DELETE}",
    FailureKind.CLAIM_DRIVER: "{subject} has not registered with the kubelet: its pod must run on this node "
    "(kubectl get pods -A -o wide | grep -i dra); where it runs, kubelet's directory is elsewhere (k0s, MicroK8s): set "
    "kubeletPlugin.kubeletRegistrarDirectoryPath and kubeletPluginsDirectoryPath in the DRA driver's chart",
    FailureKind.DEVICE_CLAIM: "see the pods of the DRA driver on the node: kubectl get pods -A -o wide | grep -i dra",
    FailureKind.CLASS_SCHEDULING: "the RuntimeClass and the pod select different nodes: correct one of the selectors",
    FailureKind.CLASS_OVERHEAD: "remove `overhead` from the pod, or the RuntimeClass's",
    FailureKind.TOLERATIONS: "the namespace's annotation tolerationsWhitelist does not allow the pod's tolerations",
    FailureKind.QUOTA: "raise ResourceQuota {subject}: kubectl describe resourcequota -n {namespace}",
    FailureKind.QUOTA_REQUEST: "a ResourceQuota of the namespace counts {subject}, so each pod must request it: add it "
    "to the pod, or take it out of the quota (kubectl describe resourcequota -n {namespace})",
    FailureKind.WEBHOOK_AWAY: "the webhook {subject} does not answer, and its failurePolicy Fail stops these pods: see "
    "its pods, its Service and caBundle (kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations)",
    FailureKind.POD_SECURITY: "the namespace enforces PodSecurity {subject}: make the RuntimeClass work on nodes: it "
    "needs no hostPath",
    FailureKind.SECURITY_CONTEXT_CONSTRAINTS: "grant the pod's ServiceAccount an SCC that allows its volumes",
    FailureKind.ADMISSION_POLICY: "ValidatingAdmissionPolicy {subject} refuses the pod: change it or its binding",
    FailureKind.ADMISSION_WEBHOOK: "the webhook {subject} refuses the pod: its message says what it wants",
}

# A class of CDI devices, as the name of a device begins -> what helps. No file in /etc/cdi defines these.
CDI_FIXES = {
    "runtime.nvidia.com/": "NVIDIA's runtime could not generate its CDI specification: on the node, nvidia-ctk cdi "
    "generate --output=/dev/null names what is missing (nvidia-smi too: is the driver loaded?)",
    "k8s.device-plugin.nvidia.com/": "the device plugin writes this specification into /var/run/cdi of the node: "
    "mount that directory into the plugin at the same path, and restart the plugin's pod there; the container runtime "
    "must read /var/run/cdi (cdi_spec_dirs; on containerd 1.7 also enable_cdi = true)",
    "nvidia.com/pgpu": "this GPU is for a virtual machine: on the node, bind it to vfio-pci, and restart the pod of "
    "NVIDIA's sandbox device plugin, which writes its CDI specification",
}
NO_SHIM = "containerd does not find its own {subject}: install all of containerd where its PATH leads"
NO_RUNC = (
    "NVIDIA's runtime finds none of {subject} in its PATH: install one on the node, or name its path under `runtimes` "
    f"in {CONFIG} (k3s and RKE2 have their own runc)"
)
CDI_HOOK = (
    "the CDI specification does not fit the node's driver or toolkit: on the node, nvidia-smi, then nvidia-ctk cdi "
    "generate --output=/etc/cdi/nvidia.yaml"
)
CDI_FIX = (
    "on the node: nvidia-ctk cdi list; if the device is missing: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
    "; if it is there, remove the second file in /etc/cdi and /var/run/cdi that defines it"
)


def fix_for(failure: Failure, namespace: str) -> str:
    """Return the fix for a cause in a namespace; empty if one has to look at the pod."""
    match failure.kind:
        case FailureKind.CDI_UNRESOLVED:
            return cdi_fix(failure.subject)
        case FailureKind.CONTAINER_CLI:
            return fix_of_cli(failure.subject)
        case FailureKind.RUNTIME_FAILED if failure.subject.startswith(("nvidia-cdi-hook", "nvidia-ctk")):
            return CDI_HOOK
        case FailureKind.CLASS_NOT_FOUND:
            return missing_class_fix(failure.subject)
        case kind:
            fix = FIXES.get(kind, "")
    if failure.kind is FailureKind.RUNTIME_MISSING and "nvidia" not in failure.subject:
        fix = NO_SHIM if "containerd-shim" in failure.subject else NO_RUNC
    return fix.replace("{namespace}", namespace).replace("{subject}", failure.subject)


def cdi_fix(device: str) -> str:
    """Return the fix for an unknown CDI device."""
    if device.startswith("management."):
        return "the GPU Operator hands GPUs out by CDI: remove runtimeClassName from the pod"
    if device.endswith("=none"):
        return "set NVIDIA_VISIBLE_DEVICES=void, not none"
    return next((fix for kind, fix in CDI_FIXES.items() if device.startswith(kind)), CDI_FIX)
