"""Problems that device plugins log when they cannot serve their GPUs."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from webhook.doctor.api_reads import is_ready
from webhook.doctor.check import Result, fails_on, warns_on
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject
from webhook.doctor.maintenance import is_in_maintenance
from webhook.doctor.plugin_fixes import cure_for, if_it_has_a_gpu
from webhook.doctor.runtime_setup import Runtime, runtime_of
from webhook.kube.metadata import full_name, name_of, namespace_of
from webhook.kube.values import mapping, text
from webhook.nvidia.plugin_messages import LogProblem, find_in_log, last_error_line

NO_LIBRARY = (LogProblem.NO_NVML, LogProblem.CDI_WITHOUT_NVML)
NO_DRIVER = (LogProblem.VERSION_MISMATCH, LogProblem.NO_DRIVER)
# What helps where a log shows another problem. {pod} and {namespace} are the plugin's.
FIXES = {
    LogProblem.ACCESS_LOST: "kubectl -n {namespace} delete pod {pod}: a container loses its devices at systemctl "
    "daemon-reload; so that it does not happen again, on {node}: nvidia-ctk system create-dev-char-symlinks "
    "--create-all",
    LogProblem.ACCESS_BLOCKED: "NVML needs Windows' library on WSL2: run the plugin under the RuntimeClass, with "
    'mode = "cdi" and nvidia-ctk cdi generate --mode=wsl on {node}',
    LogProblem.GPU_LOST: "the driver lost a GPU: on {node}, dmesg | grep -i xid; then reboot it; if the GPU does not "
    "come back, replace it",
    LogProblem.CONFIG: "correct the plugin's configuration: kubectl -n {namespace} get configmaps; label "
    "nvidia.com/device-plugin.config of {node} names the entry",
    LogProblem.UNHEALTHY: "on {node}: dmesg | grep -i xid; then kubectl -n {namespace} delete pod {pod}; where the GPU "
    "stays unhealthy, reboot the node",
    LogProblem.DEVICE_MEMORY: "the GPU shares the processor's memory: upgrade the device plugin to 0.17.4 or newer",
    LogProblem.CDI_SPECIFICATION: "on {node}: nvidia-ctk cdi generate --output=/dev/null names the missing file of the "
    "driver; or take the cdi-* strategies out of the plugin's DEVICE_LIST_STRATEGY",
    LogProblem.LIBRARY_CRASH: "the driver of {node} is older than the plugin needs: upgrade the driver (to 570 or "
    "newer for plugin 0.18), or use an older plugin; where DEVICE_LIST_STRATEGY has cdi-*, without these it may run",
    LogProblem.MPS: "the plugin waits for the MPS control daemon: its pods must run on {node}, under the runtime class "
    "(kubectl get pods -A -o wide | grep -i mps), or take sharing.mps out of the plugin's configuration",
    LogProblem.MIG_PERMISSION: "it may not read its devices. With MIG: set NVIDIA_MIG_MONITOR_DEVICES=all and "
    "add the capability SYS_ADMIN in the plugin's DaemonSet, or set MIG_STRATEGY=none. Without: see SELinux on {node} "
    "(ausearch -m avc) and the rights of /dev/nvidia*",
    LogProblem.MIG_CONFIGURATION: "on {node}: nvidia-smi mig -lgi; give all its GPUs the same MIG devices, or set "
    "MIG_STRATEGY=mixed in the plugin's DaemonSet",
    LogProblem.ARCHITECTURE: "the plugin's image is not built for {node}'s architecture: use one that is",
    LogProblem.OPEN_FILES: "on {node}: sysctl fs.inotify.max_user_instances=8192, and in sysctl.d; then kubectl -n "
    "{namespace} delete pod {pod}",
    LogProblem.OWN_SOCKET: "the plugin may not write into the kubelet's directory device-plugins: mount it without "
    "readOnly, and see SELinux on {node} (ausearch -m avc): securityContext.privileged in the DaemonSet allows it",
    LogProblem.KUBELET_SOCKET: "mount the kubelet's own directory device-plugins into the plugin (k0s: "
    "/var/lib/k0s/kubelet, MicroK8s: /var/snap/microk8s/common/var/lib/kubelet) at /var/lib/kubelet/device-plugins",
}
# docs/incident.md shows it.
DEFAULT_RUNTIME = (
    "if NVIDIA's runtime should be the default of {node}, run there: containerd config dump | grep default_runtime_name"
    "   (on containerd 1.x a file in conf.d replaces the whole table of config.toml)"
)


def nvml(facts: ClusterFacts) -> Result:
    """No plugin logs that it cannot load NVML: the incident for which this project exists."""
    found = list(_saying(facts, *NO_LIBRARY))
    nodes = [node for _, node, _ in found]
    if not has_gpus(facts, nodes):
        troubles = [f"device plugin cannot load NVML on {node}: {said}" for _, node, said in found]
        return weighed(facts, nodes, troubles)
    troubles = [_no_nvml(facts, *one) for one in found]
    cures = (cure_for(facts, pod, node) for pod, node, _ in found[:1])
    about_default = _about_default_runtime(facts, [(pod, node) for pod, node, _ in found])
    return weighed(facts, nodes, troubles, *cures, *about_default)


def _no_nvml(facts: ClusterFacts, pod: ApiObject, node: str, said: str) -> str:
    return f"device plugin cannot load NVML on {node}: {said}, fix: {cure_for(facts, pod, node)}"


def driver(facts: ClusterFacts) -> Result:
    """No plugin says that NVML finds no driver: not loaded, or another version than the library."""
    found = list(_saying(facts, *NO_DRIVER))
    fix = "on the node: nvidia-smi; after an upgrade of the driver reboot it"
    return weighed(facts, [node for _, node, _ in found], (f"{node}: {said}" for _, node, said in found), fix)


def weighed(facts: ClusterFacts, nodes: Sequence[str], troubles: Iterable[str], *fix: str) -> Result:
    """Return a failure; a warning where the nodes have no GPU, or take no pods, and others work."""
    if not nodes or not has_gpus(facts, nodes):
        # The static manifest runs on every node. Where other nodes work, one without a GPU is the likely cause.
        return warns_on(troubles, *map(if_it_has_a_gpu, nodes[:1]))
    return (warns_on if is_in_maintenance(facts, nodes) else fails_on)(troubles, *fix)


def has_gpus(facts: ClusterFacts, nodes: Iterable[str]) -> bool:
    """Say whether trouble on these nodes concerns a GPU: one of them has some, or no node offers any."""
    gpu_nodes = facts.gpu_nodes
    return not {node.name for node in gpu_nodes}.isdisjoint(nodes) or not any(map(facts.offers_gpus, gpu_nodes))


def devices(facts: ClusterFacts) -> Result:
    """No plugin with NVML logs that it finds no devices."""
    explained = {full_name(pod) for pod, _, _ in _saying(facts, *NO_LIBRARY, *NO_DRIVER, *FIXES)}
    found = [
        (node, f"{node}: {said}")
        for pod, node, said in _saying(facts, LogProblem.NO_DEVICES)
        if full_name(pod) not in explained
    ]
    fix = "on the node: nvidia-smi -L; keep the plugin away from nodes without a GPU"
    return weighed(facts, [node for node, _ in found], (line for _, line in found), fix)


def _about_default_runtime(facts: ClusterFacts, blind: Iterable[tuple[ApiObject, str]]) -> Iterator[str]:
    """Yield what to check if NVIDIA's runtime should be the default of a node with containerd 1.x."""
    nodes = (node for pod, node in blind if not text(mapping(pod.get("spec")).get("runtimeClassName")))
    old = (node for node in nodes if runtime_of(facts.node(node)) is Runtime.CONTAINERD_1)
    yield from (DEFAULT_RUNTIME.format(node=node) for node in islice(old, 1))


def others(facts: ClusterFacts) -> Result:
    """No plugin reports another problem; if a plugin fails, its last error is quoted."""
    found = list(_others(facts))
    bad = {node for pod, node, _, _ in found if not is_ready(pod) or not _offers(facts, node)}
    serious = bool(bad) and has_gpus(facts, bad) and not is_in_maintenance(facts, bad)
    troubles = [f"{full_name(pod)} on {node}: {said}" for pod, node, said, _ in found]
    return (fails_on if serious else warns_on)(troubles, *(fix for _, _, _, fix in found[:1]))


def _others(facts: ClusterFacts) -> Iterator[tuple[ApiObject, str, str, str]]:
    """Yield pod, node, what it says, and the fix."""
    for pod, node in facts.talking:
        log = facts.log_of(pod)
        names = {"namespace": namespace_of(pod), "pod": name_of(pod), "node": node}
        if found := find_in_log(log, *FIXES):
            yield pod, node, found.text, FIXES[found.problem].format(**names)
        elif find_in_log(log) is None and (said := last_error_line(log)):
            yield pod, node, said, "kubectl -n {namespace} logs {pod} --all-containers --previous".format(**names)


def seen_in(log: str) -> str:
    """Return what a log shows, and the check that says what helps; empty where no cause is known."""
    found = find_in_log(log)
    if found is None:
        return ""
    names = {"plugin-nvml": NO_LIBRARY, "plugin-driver": NO_DRIVER, "plugin-devices": (LogProblem.NO_DEVICES,)}
    check = next((name for name, problems in names.items() if found.problem in problems), "plugin-log")
    return f"see {check}: {found.text}"


def _saying(facts: ClusterFacts, *problems: LogProblem) -> Iterator[tuple[ApiObject, str, str]]:
    """Yield the plugin pods whose log shows one of these problems: pod, node, and the text."""
    for item, node in facts.talking:
        if found := find_in_log(facts.log_of(item), *problems):
            yield item, node, found.text


def _offers(facts: ClusterFacts, name: str) -> bool:
    node = facts.node_facts.get(name)
    return node is not None and facts.offers_gpus(node)
