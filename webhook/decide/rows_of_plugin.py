"""The rows of the decision for a plugin pod; their order is in ``bootstrap``.

Its patch may make a pod privileged, and labels are free to set. So everything must hold: namespace, owner, creator,
labels, container.
"""

from webhook.decide import rows_of_pod
from webhook.decide.decision import DECISION_KEY, INJECT_KEY, Finding, Reason, Verdict
from webhook.decide.evidence import gpu_evidence
from webhook.decide.fallback import ENFORCE_LABEL
from webhook.decide.plugin_case import PluginCase
from webhook.decide.pod import annotations, label, runtime_class_name
from webhook.decide.recipes import LIBRARY_PLACE, carries_nvml, is_library_place_taken
from webhook.decide.rows_of_cluster import view_stale
from webhook.view.plugin_projections import daemon_set_uid, nvml_directory

# Who creates the pods of DaemonSets: the controller's own ServiceAccount, or the identity that controllers share.
CREATORS = frozenset({"system:serviceaccount:kube-system:daemon-set-controller", "system:kube-controller-manager"})
HOME_NAMESPACE = "kube-system"


def not_a_plugin(case: PluginCase) -> Finding | None:
    """Labels and container must match a known plugin, in a request that creates a pod."""
    if not case.base.facts.is_pod_creation:
        return _leave(Reason.NOT_APPLICABLE, "the request is not the creation of a pod")
    if case.plugin is None:
        return _leave(Reason.NOT_A_PLUGIN, "labels and containers match no known plugin")
    return None


def opted_out(case: PluginCase) -> Finding | None:
    """The pod's own label, or its namespace's, may say no."""
    labels = case.base.namespace_labels or {}
    if label(case.base.pod, INJECT_KEY) == "disabled" or labels.get(INJECT_KEY) == "disabled":
        return _leave(Reason.OPTED_OUT, f"{INJECT_KEY} is disabled")
    return None


def not_allowed(case: PluginCase) -> Finding | None:
    """Only namespaces of the administrator's: in any other one a tenant could make such a pod."""
    namespace = case.base.facts.namespace
    if namespace in case.base.policy.bootstrap.namespaces:
        return None
    return _leave(Reason.NAMESPACE_NOT_ALLOWED, f"namespace {namespace} is not in bootstrap.namespaces")


def untrusted(case: PluginCase) -> Finding | None:
    """A DaemonSet's pod, made by the DaemonSet controller: an owner reference alone, anybody can write."""
    if case.base.facts.username not in CREATORS:
        return _leave(Reason.CREATOR_UNTRUSTED, "the pod was not created by the DaemonSet controller")
    if not daemon_set_uid(case.base.pod):
        return _leave(Reason.CREATOR_UNTRUSTED, "the pod's controller is no DaemonSet")
    return None


def operator_managed(case: PluginCase) -> Finding | None:
    """Whoever manages such pods would undo what others change."""
    manager = case.plugin.manager if case.plugin else ""
    return _leave(Reason.OPERATOR_MANAGED, f"{manager} looks after this pod") if manager else None


def reinvocation(case: PluginCase) -> Finding | None:
    """Our own annotation, with what we would write, keeps the decision that it tells."""
    word, pod = annotations(case.base.pod).get(DECISION_KEY), case.base.pod
    evidence = (f"the pod carries our annotation {word}",)
    if word == "bootstrap/runtime-class" and runtime_class_name(pod) == case.base.policy.runtime_class:
        return Finding(Verdict.BOOTSTRAP, Reason.RUNTIME_CLASS, evidence=evidence)
    if word == "bootstrap/nvml" and case.library and carries_nvml(pod, case.library):
        return Finding(Verdict.BOOTSTRAP, Reason.NVML, evidence=evidence)
    return None


def author_provides(case: PluginCase) -> Finding | None:
    """The author's own class, or the author's own way to NVML, stays."""
    if name := runtime_class_name(case.base.pod):
        return _leave(Reason.AUTHOR_CHOSE, f"the pod names the RuntimeClass {name}")
    for container in case.containers:
        if directory := nvml_directory(case.base.spec, container.spec):
            return _leave(Reason.NVML_PROVIDED, f"the pod mounts NVML from {directory}")
    return None


def recipe_off(case: PluginCase) -> Finding | None:
    """The policy may leave plugins alone."""
    if case.base.policy.bootstrap.recipe != "off":
        return None
    return _leave(Reason.RECIPE_OFF, "the policy's bootstrap.recipe is off")


def node_unknown(case: PluginCase) -> Finding | None:
    """The recipe depends on the node, which the DaemonSet controller names."""
    if case.node_name:
        return None
    return _leave(Reason.NODE_UNKNOWN, "the pod's affinity does not name exactly one node")


def no_gpu_evidence(case: PluginCase) -> Finding | None:
    """On a node without a GPU the library is missing, and a pod that waits for it would block its DaemonSet."""
    if gpu_evidence(case.base, case.node_name):
        return None
    # Short, so that the line stays whole with a long name.
    warning = f"no sign of a GPU: kubectl label node {case.node_name} nvidia.com/gpu.present=true"
    return Finding(Verdict.LEAVE, Reason.NO_GPU_EVIDENCE, warning, (f"nothing shows that {case.node_name} has a GPU",))


def user_namespaces(case: PluginCase) -> Finding | None:
    """In a user namespace neither NVIDIA's runtime works, nor a mount of the host's devices."""
    return rows_of_pod.user_namespaces(case.base)


def runtime_class(case: PluginCase) -> Finding | None:
    """Where the node proves the handler, the class alone does, and no privilege is added."""
    found = case.base.runtime_class
    if case.base.policy.bootstrap.recipe == "nvml" or found is None or case.node is None:
        return None
    if case.node.handlers is None or found.handler not in case.node.handlers or case.class_misfit:
        return None
    # A class that nobody can vouch for would get the pod rejected.
    if stale := view_stale(case.base):
        return stale
    evidence = (*gpu_evidence(case.base, case.node_name), f"{case.node_name} reports the handler {found.handler}")
    return Finding(Verdict.BOOTSTRAP, Reason.RUNTIME_CLASS, evidence=evidence)


def class_only(case: PluginCase) -> Finding | None:
    """The policy may want the class and nothing else."""
    if case.base.policy.bootstrap.recipe != "runtime-class":
        return None
    if why := case.class_misfit:
        warning = f'RuntimeClass "{case.base.policy.runtime_class}" does not fit: {why}; pod left alone'
        return Finding(Verdict.LEAVE, Reason.SCHEDULING_CONFLICT, warning, (why,))
    warning = f'node {case.node_name} does not prove RuntimeClass "{case.base.policy.runtime_class}"; pod left alone'
    return Finding(Verdict.LEAVE, Reason.HANDLER_UNKNOWN, warning, (warning,))


def pod_security(case: PluginCase) -> Finding | None:
    """A privileged pod must be let in: outside kube-system only where the namespace says so."""
    default = "privileged" if case.base.facts.namespace == HOME_NAMESPACE else "unset"
    level = (case.base.namespace_labels or {}).get(ENFORCE_LABEL, default)
    if level == "privileged":
        return None
    warning = f"the plugin must be privileged: label the namespace {ENFORCE_LABEL}=privileged"
    return Finding(Verdict.LEAVE, Reason.POD_SECURITY, warning, (f"PodSecurity of the namespace is {level}",))


def nvml(case: PluginCase) -> Finding:
    """With a known driver, the one library of it is mounted."""
    if not case.library:
        warning = f"the driver of node {case.node_name} is not known; add a profile under `drivers` in the policy"
        return Finding(Verdict.LEAVE, Reason.DRIVER_UNKNOWN, warning, (f"no driver profile for {case.node_name}",))
    if any(is_library_place_taken(container) for container in case.containers):
        # A file below a read-only volume would keep the container from starting.
        warning = f"the plugin mounts something of its own at or around {LIBRARY_PLACE}; pod left alone"
        return Finding(Verdict.LEAVE, Reason.MOUNT_CONFLICT, warning, (f"{LIBRARY_PLACE} is taken",))
    evidence = (*gpu_evidence(case.base, case.node_name), f"the driver profile of {case.node_name} has {case.library}")
    return Finding(Verdict.BOOTSTRAP, Reason.NVML, evidence=evidence)


def _leave(reason: Reason, evidence: str) -> Finding:
    return Finding(Verdict.LEAVE, reason, evidence=(evidence,))
