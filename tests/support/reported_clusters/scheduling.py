"""Reports about GPU pods, and pods that they need, for which the scheduler finds no node."""

from support.doctor_cases.changes import offers_nothing, unschedulable
from support.doctor_world import Cluster, event
from support.reported_clusters.table import (
    FAIL,
    WARN,
    nothing_offered,
    plugin_fails,
    plugin_waits,
    report,
    support_pod,
    waiting,
)


def claims_gpu(cluster: Cluster, message: str) -> None:
    """Have a pod that asks for a GPU by a claim, and waits."""
    spec = cluster.pod["spec"]
    spec.pop("runtimeClassName", None)
    spec["containers"] = [{"name": "main", "resources": {"claims": [{"name": "gpu"}]}}]
    spec["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": "single-gpu"}]
    del spec["nodeName"]
    cluster.pod["metadata"]["annotations"] = {}
    unschedulable(cluster, message)


@report(
    "dra",
    "kubernetes-sigs/dra-driver-nvidia-gpu#46, Project-HAMi/k8s-dra-driver#5",
    pods_pending=(WARN, "kubectl get deviceclasses,resourceslices"),
)
def no_device_for_a_claim(cluster: Cluster) -> None:
    """The claim selects a device that no node has free."""
    claims_gpu(cluster, "0/1 nodes are available: 1 cannot allocate all claims. preemption: not helpful.")


@report(
    "kubeadm",
    "the DRA driver is not installed",
    pods_pending=(WARN, "kubectl get deviceclasses,resourceslices"),
)
def claim_without_driver(cluster: Cluster) -> None:
    """A DeviceClass comes with its driver's chart."""
    claims_gpu(cluster, "0/1 nodes are available: 1 request gpu: device class gpu.nvidia.com does not exist.")


@report(
    "kubeadm",
    "taints of GPU pools",
    class_taints=(WARN, "they do not tolerate it"),
    pods_pending=(WARN, "tolerations: [{key: dedicated, operator: Exists, effect: NoSchedule}]"),
)
def pool_is_tainted(cluster: Cluster) -> None:
    """The pod lacks the pool's toleration; the taint of other nodes is not proposed."""
    cluster.node["spec"]["taints"] = [{"key": "dedicated", "value": "ml", "effect": "NoSchedule"}]
    said = "1 node(s) had untolerated taint {dedicated: ml}, 1 node(s) had untolerated taint {a: b}"
    unschedulable(cluster, f"0/4 nodes are available: {said}, 2 Insufficient nvidia.com/gpu.")


@report("kubeadm", "GPU nodes without memory", pods_pending=(WARN, "the GPU nodes have too little memory free"))
def too_little_memory(cluster: Cluster) -> None:
    """The CPU nodes lack GPUs, and the GPU node lacks memory."""
    unschedulable(cluster, "0/3 nodes are available: 1 Insufficient memory, 2 Insufficient nvidia.com/gpu.")


@report("kubeadm", "all GPUs are taken", pods_pending=(WARN, "are they taken, or not offered?"))
def all_gpus_are_taken(cluster: Cluster) -> None:
    """That the CPU nodes lack memory too does not matter."""
    unschedulable(cluster, "0/3 nodes are available: 2 Insufficient memory, 3 Insufficient nvidia.com/gpu.")


@report("kubeadm", "volumes of another zone", pods_pending=(WARN, "kubectl -n ml get pvc"))
def volume_elsewhere(cluster: Cluster) -> None:
    """The volume was made where no GPU node is."""
    unschedulable(cluster, "0/3 nodes are available: 1 node(s) had volume node affinity conflict, 2 Insufficient cpu.")


@report(
    "kubeadm", "manifests of other clouds", pods_pending=(WARN, "no GPU node has the labels that the pod's selectors")
)
def selects_another_cloud(cluster: Cluster) -> None:
    """The manifest has GKE's node selector."""
    cluster.pod["spec"]["nodeSelector"] = {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    unschedulable(cluster, "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")


@report(
    "gpu-operator-cdi",
    "NVIDIA/gpu-operator#149, #423, #434",
    gpu_nodes=(FAIL, "its workers must run on the GPU nodes"),
    pods_pending=(WARN, "Insufficient nvidia.com/gpu"),
    never="kubectl label node",
)
def feature_discovery_is_missing(cluster: Cluster) -> None:
    """Without its labels the operator does nothing; a label by hand is taken away again."""
    offers_nothing(cluster)
    cluster.node["metadata"]["labels"] = {"kubernetes.io/hostname": "gpu-node"}
    cluster.node["status"]["runtimeHandlers"] = [{"name": "runc"}]
    cluster.remove("Pod", "nvidia-device-plugin-abcde")
    unschedulable(cluster, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")


@report(
    "gpu-operator-cdi",
    "NVIDIA/gpu-operator#1043: fabric manager of another version",
    gpu_operator=(FAIL, "systemctl enable --now nvidia-fabricmanager"),
    gpu_stack=(WARN, "operator's test pod gpu-operator/nvidia-cuda-validator-x1"),
)
def cuda_test_fails(cluster: Cluster) -> None:
    """The validator waits for a pod that runs CUDA, and only that pod says why."""
    cluster.of("ClusterPolicy", "cluster-policy")["status"]["state"] = "notReady"
    log = "Failed to allocate device vector A (error code system not yet initialized)!\n"
    failed = waiting("CrashLoopBackOff", ended="Error", name="cuda-validation")
    support_pod(cluster, "app=nvidia-cuda-validator", failed, log=log)
    support_pod(cluster, "app=nvidia-operator-validator", {"name": "cuda-validation", "state": {"running": {}}})


@report(
    "gpu-operator-cdi",
    "NVIDIA/gpu-operator#367, #502, #2166",
    gpu_stack=(WARN, "delete the pods that the log names, or drain the node"),
    never="driver.enabled=false",
)
def driver_cannot_be_unloaded(cluster: Cluster) -> None:
    """Pods use the driver that its manager wants to replace."""
    log = "nvidia driver module is already loaded with refcount 262\ncannot delete Pods with local storage: ml/a\n"
    support_pod(cluster, "app=nvidia-driver-daemonset", waiting("CrashLoopBackOff", ended="Error"), log=log)


@report(
    "k3s",
    "requests of a DaemonSet on a full node",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "the GPU nodes have too little cpu free"),
)
def plugin_finds_no_place(cluster: Cluster) -> None:
    """Its pod is there, and waits for the node: it is not missing."""
    offers_nothing(cluster)
    said = "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    cluster.plugin["status"] = {"phase": "Pending", "conditions": [condition]}
    del cluster.plugin["spec"]["nodeName"]
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu-node"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    cluster.plugin["spec"]["affinity"] = {"nodeAffinity": required}


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin#1555",
    **nothing_offered(
        plugin_running=(FAIL, "see plugin-log: SIGSEGV"),
        plugin_log=(FAIL, "the driver of gpu-node is older than the plugin needs"),
    ),
)
def plugin_crashes_in_an_old_driver(cluster: Cluster) -> None:
    """Plugin 0.18 with a CDI strategy, and a driver before 570."""
    plugin_fails(cluster, "SIGSEGV: segmentation violation\nPC=0x0 m=5 sigcode=1 addr=0x0\n")


@report(
    "gpu-operator-cdi",
    "NVIDIA/gpu-operator#2833",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_everywhere=(FAIL, "changes the MIG configuration or the driver of gpu-node"),
    never="selectors of the DaemonSet",
)
def paused_for_mig(cluster: Cluster) -> None:
    """The MIG manager gave up, and the operator's labels still say that it works."""
    offers_nothing(cluster)
    cluster.remove("Pod", "nvidia-device-plugin-abcde")
    label = "nvidia.com/gpu.deploy.device-plugin"
    cluster.daemon_set["spec"]["template"]["spec"]["nodeSelector"] = {label: "true"}
    cluster.node["metadata"]["labels"][label] = "paused-for-mig-change"


@report(
    "kubeadm",
    "Project-HAMi/HAMi#871: gpu=on",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_everywhere=(FAIL, "kubectl label node gpu-node gpu=on"),
    runtime_handler=(WARN, "does not report its handlers"),
    runtime_version=(WARN, "does not report its handlers"),
    class_proven=(WARN, "no GPU node shows"),
)
def node_without_label_of_plugin(cluster: Cluster) -> None:
    """The DaemonSet has no pod, as no node has its label."""
    offers_nothing(cluster)
    cluster.remove("Pod", "nvidia-device-plugin-abcde")
    cluster.daemon_set["spec"]["template"]["spec"]["nodeSelector"] = {"gpu": "on"}


@report(
    "gpu-operator-cdi",
    "NVIDIA/gpu-operator#378: the validator is not there",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "waits for a file in /run/nvidia/validations"),
    gpu_operator=(FAIL, "notReady"),
)
def nothing_validates(cluster: Cluster) -> None:
    """The plugin's init container waits for ever."""
    plugin_waits(cluster)


@report(
    "gpu-operator-cdi",
    "rancher/rke2#3385",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "logs nvidia-container-toolkit-daemonset-x1"),
    gpu_operator=(FAIL, "CONTAINERD_CONFIG names a template"),
    gpu_stack=(FAIL, "CONTAINERD_CONFIG names a template"),
)
def toolkit_reads_a_template(cluster: Cluster) -> None:
    """RKE2's template is no TOML."""
    plugin_waits(cluster)
    log = 'level=fatal msg="Error: unable to load config: (6, 21): keys cannot contain { character"\n'
    support_pod(cluster, "app=nvidia-container-toolkit-daemonset", waiting("CrashLoopBackOff", ended="Error"), log=log)


@report("kubeadm", "other webhooks", event_refused=(FAIL, "the webhook vpa.k8s.io does not answer"))
def another_webhook_is_away(cluster: Cluster) -> None:
    """Its certificate has expired, and it fails closed."""
    said = 'Internal error occurred: failed calling webhook "vpa.k8s.io": failed to call webhook: x509: has expired'
    found = event(f"Error creating: {said}", reason="FailedCreate", host="")
    found["involvedObject"] = {"kind": "DaemonSet", "namespace": "kube-system", "name": "nvidia-device-plugin"}
    cluster.add(found)


@report("kubeadm", "quotas of GPUs", event_refused=(FAIL, "each pod must request it"))
def quota_wants_a_request(cluster: Cluster) -> None:
    """The namespace counts GPUs, and the pod of a Job requests none."""
    said = 'pods "a" is forbidden: failed quota: gpus: must specify requests.nvidia.com/gpu'
    cluster.add(event(f"Error creating: {said}", reason="FailedCreate"))


@report("kubeadm", "full disks", pods_pending=(WARN, "its taint then goes away by itself"))
def disk_pressure(cluster: Cluster) -> None:
    """Images of CUDA fill the disk, and the node takes no pods."""
    cluster.node["spec"]["taints"] = [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]
    said = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }."
    unschedulable(cluster, said)
