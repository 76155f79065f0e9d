"""Reports about device plugins, the kubelet, and broken GPUs."""

from support.doctor_cases.changes import blind_on_cpu_node, offers_nothing
from support.doctor_world import GPU, PLUGIN, Cluster, event
from support.reported_clusters.table import FAIL, WARN, nothing_offered, plugin_fails, report, waiting


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin#1228",
    **nothing_offered(),
    never="bootstrap.recipe",
)
def kubelet_lost_the_plugin(cluster: Cluster) -> None:
    """The plugin is Ready and says that it registered; its socket is gone since the kubelet's restart."""
    cluster.node["status"]["allocatable"][GPU] = cluster.node["status"]["capacity"][GPU] = "0"
    cluster.logs[PLUGIN] = "I1 server.go:237] Registered device plugin for 'nvidia.com/gpu' with Kubelet\n"


@report(
    "bottlerocket",
    "bottlerocket-os/bottlerocket#4087, #3132",
    gpus_allocatable=(FAIL, "systemctl restart nvidia-k8s-device-plugin"),
    plugin_present=(FAIL, "as a service of the host"),
    never="helm",
)
def bottlerocket_service_lost(cluster: Cluster) -> None:
    """The host's plugin started before the kubelet's socket."""
    offers_nothing(cluster)


@report(
    "kubeadm",
    "NVIDIA/gpu-operator#485, nvidia-container-toolkit#48",
    **nothing_offered(
        plugin_running=(FAIL, "CrashLoopBackOff"),
        plugin_log=(FAIL, "a container loses its devices at systemctl daemon-reload"),
    ),
)
def devices_lost_at_reload(cluster: Cluster) -> None:
    """After systemctl daemon-reload."""
    plugin_fails(cluster, "E1 main.go:173] error starting plugins: failed to initialize NVML: Unknown Error\n")


@report(
    "k3s",
    "NVIDIA/k8s-device-plugin#207 (WSL2)",
    **nothing_offered(
        plugin_running=(FAIL, "CrashLoopBackOff"),
        plugin_log=(FAIL, "NVML needs Windows' library on WSL2"),
    ),
)
def blocked_on_wsl(cluster: Cluster) -> None:
    """NVML is there, and Windows' part of it is not."""
    plugin_fails(cluster, "E1 main.go:1] Failed to initialize NVML: GPU access blocked by the operating system\n")


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin#399, NVIDIA/gpu-operator#442",
    **nothing_offered(
        plugin_running=(FAIL, "CrashLoopBackOff"),
        plugin_log=(FAIL, "see SELinux on gpu-node"),
    ),
)
def nvml_without_permission(cluster: Cluster) -> None:
    """SELinux refuses the devices."""
    plugin_fails(cluster, "E1 main.go:1] Failed to initialize NVML: Insufficient Permissions\n")


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin#1668",
    **nothing_offered(
        plugin_running=(FAIL, "CrashLoopBackOff"),
        plugin_log=(FAIL, "correct the plugin's configuration"),
    ),
)
def plugin_configuration(cluster: Cluster) -> None:
    """The file has an unknown field."""
    said = "unable to load config: unable to finalize config: unable to parse config file: error parsing config file"
    plugin_fails(cluster, f"E1 main.go:173] {said}\n")


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin: OOMKilled by a limit of 50Mi on nodes with 8 GPUs",
    **nothing_offered(plugin_running=(FAIL, "OOMKilled (exit code 137)")),
)
def plugin_out_of_memory(cluster: Cluster) -> None:
    """Its limit is too low."""
    plugin_fails(cluster, ended="OOMKilled")
    cluster.plugin["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] = 137


@report(
    "k3s",
    "NVIDIA/gpu-operator#660, openebs-archive/cstor-operators#196 (GKE)",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_everywhere=(FAIL, "its pod is missing"),
    event_refused=(FAIL, "create one with scopeSelector {PriorityClass In [system-node-critical"),
)
def priority_without_quota(cluster: Cluster) -> None:
    """GKE limits critical priority classes to namespaces with a quota."""
    offers_nothing(cluster)
    cluster.remove("Pod", PLUGIN)
    said = (
        "insufficient quota to match these scopes: [{PriorityClass In [system-node-critical system-cluster-critical]}]"
    )
    found = event(f"Error creating: {said}", reason="FailedCreate", host="")
    found["involvedObject"] = {"kind": "DaemonSet", "namespace": "kube-system", "name": "nvidia-device-plugin"}
    cluster.add(found)


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin#240",
    gpus_healthy=(WARN, "left over from another MIG configuration"),
)
def resource_left_over(cluster: Cluster) -> None:
    """After a change to MIG the old resource stays in the capacity."""
    cluster.node["status"]["capacity"] = {"cpu": "16", GPU: "1", "nvidia.com/mig-1g.5gb": "7"}
    cluster.node["status"]["allocatable"] = {"cpu": "16", GPU: "0", "nvidia.com/mig-1g.5gb": "7"}


@report(
    "kubeadm",
    "confidential-dot-ai/c8s#472: plugin 0.18 ends on a node without a GPU",
    plugin_running=(WARN, "nothing, if cpu-node has no GPU"),
    plugin_nvml=(WARN, "nothing, if cpu-node has no GPU"),
    plugin_left_alone=(WARN, "nothing, if cpu-node has no GPU"),
    never="describe pod",
)
def plugin_ends_on_cpu_node(cluster: Cluster) -> None:
    """The static manifest is on each node."""
    blind_on_cpu_node(cluster)
    status = waiting("CrashLoopBackOff", ended="Error", name="nvidia-device-plugin-ctr")
    cluster.of("Pod", "plugin-2")["status"] = {"phase": "Running", "containerStatuses": [status]}


@report(
    "kubeadm",
    "Azure/AKS documentation of node-problem-detector",
    node_states=(FAIL, "gpu-node has condition XIDErrors=True: XIDErrorsFound Xid 79"),
)
def condition_of_aks(cluster: Cluster) -> None:
    """Node-problem-detector saw an error."""
    cluster.node["status"]["conditions"] += [
        {"type": "XIDErrors", "status": "True", "reason": "XIDErrorsFound", "message": "Xid 79"},
        {"type": "NVLinkStatusInactive", "status": "False", "reason": "NVLinkStatusActive"},
    ]


@report("eks", "awslabs/eks-node-monitoring-agent", node_states=(FAIL, "condition AcceleratedHardwareReady=False"))
def condition_of_eks(cluster: Cluster) -> None:
    """The node monitoring agent saw a broken NVLink."""
    condition = {"type": "AcceleratedHardwareReady", "status": "False", "reason": "NvidiaNVLinkError"}
    cluster.node["status"]["conditions"].append(condition)


@report("kubeadm", "kubernetes/node-problem-detector", event_xid=(FAIL, "NVRM: Xid (PCI:0000:65:00): 48"))
def xid_of_node_problem_detector(cluster: Cluster) -> None:
    """An event of the node."""
    found = event("NVRM: Xid (PCI:0000:65:00): 48, pid=1, DBE (double bit error)", reason="NvidiaXid")
    found["involvedObject"] = {"kind": "Node", "namespace": "", "name": "gpu-node"}
    cluster.add(found)


@report(
    "k3s",
    "k3s-io/k3s: the plugin under a class that the node lacks",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "configure the handler nvidia on the node"),
    event_no_runtime=(FAIL, "apt-get install nvidia-container-toolkit"),
)
def plugin_has_no_sandbox(cluster: Cluster) -> None:
    """Its pod has no container yet; only the event says why."""
    offers_nothing(cluster)
    status = waiting("ContainerCreating", name="nvidia-device-plugin-ctr")
    cluster.plugin["status"] = {"phase": "Pending", "conditions": [], "containerStatuses": [status]}
    found = event('Failed to create pod sandbox: rpc error: no runtime for "nvidia" is configured')
    found["involvedObject"] = {"kind": "Pod", "namespace": "kube-system", "name": PLUGIN}
    cluster.add(found)


@report(
    "k3s",
    "a DaemonSet whose ServiceAccount is missing",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_everywhere=(FAIL, 'serviceaccount "nvidia-device-plugin" not found'),
)
def plugin_without_account(cluster: Cluster) -> None:
    """The words of the API server are quoted, as no pattern knows them."""
    offers_nothing(cluster)
    cluster.remove("Pod", PLUGIN)
    said = 'error looking up service account: serviceaccount "nvidia-device-plugin" not found'
    found = event(f'Error creating: pods "a-" is forbidden: {said}', reason="FailedCreate", host="")
    found["involvedObject"] = {"kind": "DaemonSet", "namespace": "kube-system", "name": "nvidia-device-plugin"}
    cluster.add(found)


@report(
    "kubeadm",
    "amd64 images on arm64",
    **nothing_offered(
        plugin_running=(FAIL, "exec format error"),
        plugin_log=(FAIL, "not built for gpu-node's architecture"),
    ),
)
def plugin_of_another_architecture(cluster: Cluster) -> None:
    """A mirror kept one architecture."""
    plugin_fails(cluster, "exec /usr/bin/nvidia-device-plugin: exec format error\n")


@report("kubeadm", "NVIDIA/k8s-device-plugin#75, #234", gpus_healthy=(WARN, "counts 8"))
def plugin_counts_fewer(cluster: Cluster) -> None:
    """A GPU fell off the bus, and the plugin was restarted: it does not know of that GPU any more."""
    cluster.node["metadata"]["labels"]["nvidia.com/gpu.count"] = "8"
    for name in ("capacity", "allocatable"):
        cluster.node["status"][name] = {"cpu": "16", GPU: "7"}


@report("kubeadm", "an error after the start", event_xid=(FAIL, "restart its device plugin's pod"))
def event_about_a_ready_pod(cluster: Cluster) -> None:
    """The pod was Ready before the event: it is not resolved."""
    found = event("NVRM: Xid (PCI:0000:65:00): 48, pid=1234, DBE (double bit error)", reason="NvidiaXid")
    found["involvedObject"] = {"kind": "Pod", "namespace": "kube-system", "name": PLUGIN}
    found["lastTimestamp"] = "2026-05-31T09:00:00Z"
    cluster.plugin["status"]["conditions"][0]["lastTransitionTime"] = "2026-05-31T08:00:00Z"
    cluster.add(found)


@report(
    "k3s",
    "a DaemonSet for one type of machine",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_everywhere=(FAIL, "change tolerations or selectors of the DaemonSet's template"),
    never="kubectl label node",
)
def plugin_for_another_machine(cluster: Cluster) -> None:
    """The label is the cloud's: it is not set by hand."""
    offers_nothing(cluster)
    cluster.remove("Pod", PLUGIN)
    selector = {"node.kubernetes.io/instance-type": "p4d.24xlarge"}
    cluster.daemon_set["spec"]["template"]["spec"]["nodeSelector"] = selector
