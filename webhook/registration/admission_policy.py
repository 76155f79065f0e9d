"""The part of the decision that CEL can express: a MutatingAdmissionPolicy, for clusters without the webhook.

Source: https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
"""

import json
import re
from typing import Any

from webhook.decide.limits import CONTAINERS_LIMIT
from webhook.decide.pod import MIRROR_KEY
from webhook.decide.windows_pods import BUILD_LABEL, BUILD_OPERATORS, LINUX, OS_LABELS, WINDOWS
from webhook.decide.workload.context import SYSTEM_NAMESPACES
from webhook.decide.workload.patch_runtime_class import DRIVER_CAPABILITIES, TOLERATION
from webhook.decide.workload.void_env import VISIBLE_DEVICES
from webhook.kube.metadata import NAMESPACE_NAME_LABEL
from webhook.kube.values import at
from webhook.names import DECISION_KEY, INJECT_KEY
from webhook.nvidia.own_driver_mounts import DRIVER_DIRECTORIES, LIBRARY, SHARED_LIBRARY_DIRECTORIES
from webhook.policy.model import Overrule, Policy
from webhook.registration.conditions import any_requests_gpu, gpu_pods_condition, names_gpu, requests_gpu

NAME = "gpu-injector"
API_VERSION = "admissionregistration.k8s.io/v1"
DECISION = "inject/runtime-class"
CONTAINERS, INIT_CONTAINERS = "containers", "initContainers"
# The API server refuses a pod with more than 256 KiB of annotations; a character has up to four bytes.
ANNOTATIONS_LIMIT = 65_000

# Names every reason that CEL cannot express, with the words of docs/reasons.md.
LIMITS = (
    "It sets the class wherever the RuntimeClass exists, whatever the nodes can do: it sees no node, no device plugin,",
    "  no ClusterPolicy and no DeviceClass. So it leaves no pod alone for cdi, nri, dra, platform-provides,",
    "  provider-mixed, handler-missing, handler-mixed, handler-unknown or class-mismatch. On k3s and RKE2, where the",
    "  class exists on every cluster, it may name one that a node cannot run. So it may for the label value always.",
    "  Where NVIDIA's runtime is the default, it hides GPUs from containers that would see them.",
    "It does not know what else judges the pod (admission-policy): policies that read runtimeClassName, and the",
    "  tolerations that a namespace allows.",
    "It mounts no libraries (the fallback, with driver-mixed, driver-unknown, driver-unproven, mount-conflict and",
    "  pod-security), and does not keep debug containers away from GPUs.",
    "It repairs no device plugin (the bootstrap: nvml, nvml-insufficient, nvml-provided, no-gpu-evidence,",
    "  node-unknown, not-a-plugin, operator-managed, creator-untrusted, namespace-not-allowed, recipe-off, driver-root",
    "  and setback).",
    "It gives no warnings, and annotates only pods that it patches: an unchanged pod does not show why.",
    "It has no dry-run: pods in a namespace labelled dry-run are left unchanged.",
    "A class whose scheduling.nodeSelector contradicts the pod's nodeSelector is not set; one that contradicts the",
    "  pod's nodeName, affinity or tolerations is set (scheduling-conflict).",
    f"A pod of more than {CONTAINERS_LIMIT.most} containers is patched too, and one beyond another limit (too-large).",
    "Host paths of mounts are compared as they are written: /usr//lib64 differs from /usr/lib64.",
    f"A pod with more than {ANNOTATIONS_LIMIT} characters of annotations does not get ours.",
    "It runs in the API server, so it has no view-stale, namespace-unknown or patch-refused.",
)
OPT_OUT_LIMIT = "A namespace whose label has another value than enabled, disabled or dry-run counts as enabled."


def admission_policy(policy: Policy) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the MutatingAdmissionPolicy and its binding. It does what the webhook does, except for ``LIMITS``."""
    selectors = {"namespaceSelector": _namespaces(policy), "objectSelector": _not("disabled")}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    conditions = {
        "gpu": gpu_pods_condition(policy),
        "no-zero-quantity": f"{any_requests_gpu('object.spec', policy)} || !{_names_gpu(policy)}",
        "linux": _LINUX,
        "no-mirror": f"!has(object.metadata.annotations) || !('{MIRROR_KEY}' in object.metadata.annotations)",
        "no-class-but-ours": _no_class_but_ours(policy),
        "no-driver-mounts": _no_driver_mounts(policy),
        "no-user-namespace": "!has(object.spec.hostUsers) || object.spec.hostUsers",
    }
    spec = {
        "failurePolicy": "Ignore",
        # Also patch a container that a later mutation adds.
        "reinvocationPolicy": "IfNeeded",
        # With the class as parameter nothing is patched if it does not exist.
        "paramKind": {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass"},
        "matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": [rule], **selectors},
        "matchConditions": [{"name": name, "expression": text} for name, text in conditions.items()],
        "variables": [
            {"name": "fits", "expression": _fits(policy)},
            {"name": "requestsGpu", "expression": any_requests_gpu("object.spec", policy)},
        ],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _patch(policy)}}],
    }
    binding = {"policyName": NAME, "paramRef": {"name": policy.runtime_class, "parameterNotFoundAction": "Allow"}}
    return (
        {"apiVersion": API_VERSION, "kind": "MutatingAdmissionPolicy", "metadata": {"name": NAME}, "spec": spec},
        {
            "apiVersion": API_VERSION,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": NAME},
            "spec": binding,
        },
    )


def limits(policy: Policy) -> tuple[str, ...]:
    """Return lines that say where its result differs from the webhook's."""
    return (*LIMITS, *((OPT_OUT_LIMIT,) if policy.opt_out else ()))


def _namespaces(policy: Policy) -> dict[str, Any]:
    if not policy.opt_out:
        return {"matchLabels": {INJECT_KEY: "enabled"}}
    system = {"key": NAMESPACE_NAME_LABEL, "operator": "NotIn", "values": sorted(SYSTEM_NAMESPACES)}
    return {"matchExpressions": [*_not("disabled", "dry-run")["matchExpressions"], system]}


def _not(*values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": INJECT_KEY, "operator": "NotIn", "values": list(values)}]}


def _no_class_but_ours(policy: Policy) -> str:
    annotations = "object.metadata.annotations"
    ours = f"has({annotations}) && '{DECISION_KEY}' in {annotations} && {annotations}['{DECISION_KEY}'] == '{DECISION}'"
    return (
        f"!has(object.spec.runtimeClassName) ||\n(object.spec.runtimeClassName == '{policy.runtime_class}' && {ours})"
    )


def _no_driver_mounts(policy: Policy) -> str:
    shared = "|".join(map(re.escape, sorted(SHARED_LIBRARY_DIRECTORIES)))
    driver = "|".join(map(re.escape, DRIVER_DIRECTORIES))
    path = _text(f"^({shared})/?$|^({driver})(/.*)?$|^.*/{LIBRARY.pattern}/?$")
    return (
        f"!has(object.spec.volumes) || !{_EVERY_CONTAINER}.exists(c, {requests_gpu('c', policy)} &&\n"
        "has(c.volumeMounts) && c.volumeMounts.exists(m, object.spec.volumes.exists(v, v.name == m.name &&\n"
        f"has(v.hostPath) && v.hostPath.path.matches({path}))))"
    )


_EVERY_CONTAINER = "(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))"
_OS_LABELS = "['" + "', '".join(sorted(OS_LABELS)) + "']"
_TERMS = "object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
# A pod names its system, or selects nodes of one.
_LINUX = (
    f"has(object.spec.os) ? object.spec.os.name != '{WINDOWS}' : !(\n"
    f"(has(object.spec.nodeSelector) && object.spec.nodeSelector.exists(k, k == '{BUILD_LABEL}' ||\n"
    f"(k in {_OS_LABELS} && object.spec.nodeSelector[k] == '{WINDOWS}'))) ||\n"
    "(has(object.spec.affinity) && has(object.spec.affinity.nodeAffinity) &&\n"
    "has(object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution) &&\n"
    f"size({_TERMS}) > 0 && {_TERMS}.all(t, has(t.matchExpressions) && t.matchExpressions.exists(e,\n"
    f"(e.key == '{BUILD_LABEL}' && e.operator in {json.dumps(sorted(BUILD_OPERATORS))}) ||\n"
    f"(e.key in {_OS_LABELS} && has(e.values) &&\n"
    f"((e.operator == 'In' && size(e.values) > 0 && e.values.all(v, v == '{WINDOWS}')) ||\n"
    f"(e.operator == 'NotIn' && '{LINUX}' in e.values)))))) ||\n"
    "(has(object.spec.securityContext) && has(object.spec.securityContext.windowsOptions)) ||\n"
    f"{_EVERY_CONTAINER}.exists(c,\nhas(c.securityContext) && has(c.securityContext.windowsOptions)))"
)


def _names_gpu(policy: Policy) -> str:
    return f"{_EVERY_CONTAINER}.exists(c, {names_gpu('c', policy)})"


def _fits(policy: Policy) -> str:
    """Return the expression that holds where the class would not get the pod rejected."""
    if Overrule.CLASS_OVERHEAD in policy.overrule:
        return _SELECTS_ALIKE
    return f"({_SELECTS_ALIKE}) &&\n({_NO_OVERHEAD})"


_NO_OVERHEAD = (
    "!has(params.overhead) || !has(params.overhead.podFixed) || !params.overhead.podFixed.exists(k,\n"
    "quantity(string(params.overhead.podFixed[k])).isGreaterThan(quantity('0')))"
)
# The API server refuses a pod whose nodeSelector contradicts that of its class.
_SELECTS_ALIKE = (
    "!has(params.scheduling) || !has(params.scheduling.nodeSelector) || !has(object.spec.nodeSelector) ||\n"
    "!params.scheduling.nodeSelector.exists(k, k in object.spec.nodeSelector &&\n"
    "object.spec.nodeSelector[k] != params.scheduling.nodeSelector[k])"
)
_ROOM = (
    f"object.metadata.annotations.map(k, size(k) + size(object.metadata.annotations[k])).sum() <= {ANNOTATIONS_LIMIT}"
)


def _patch(policy: Policy) -> str:
    """Return the expression of the patch: a list of operations, empty if the class does not fit."""
    annotation = f"{{{_text(DECISION_KEY)}: {_text(DECISION)}}}"
    one = _add(_text(at("/metadata/annotations", DECISION_KEY)), _text(DECISION))
    annotate = (
        f"(!has(object.metadata.annotations) ? [{_add(_text('/metadata/annotations'), annotation)}] :\n"
        f"{_ROOM} ? [{one}] : [])"
    )
    parts = [
        f"[{_add(_text('/spec/runtimeClassName'), _text(policy.runtime_class))}]",
        annotate,
    ]
    if policy.hide_gpus:
        parts += [_variables(field, policy, requests="!", name=VISIBLE_DEVICES, value="void") for field in _FIELDS]
    value = policy.driver_capabilities
    first = [
        _variables(field, policy, requests="", name=DRIVER_CAPABILITIES, value=value) for field in _FIELDS if value
    ]
    if policy.add_toleration:
        first.append(_toleration())
    # A pod that has the class already gets only what hides GPUs, as in the webhook's reinvocation.
    parts += [f"(has(object.spec.runtimeClassName) ? [] :\n{part})" for part in first]
    return "!variables.fits ? [] :\n" + " +\n".join(parts)


_FIELDS = (INIT_CONTAINERS, CONTAINERS)


def _variables(field: str, policy: Policy, *, requests: str, name: str, value: str) -> str:
    """Set a variable in each container of a field that requests a GPU (``requests`` empty), or no GPU (``!``)."""
    is_gpu = requests_gpu("c", policy)
    absent = f'!has(c.envFrom) && !(has(c.env) && c.env.exists(e, e.name == "{name}"))'
    variable = f'Object.spec.{field}.env{{name: "{name}", value: "{value}"}}'
    env = f'"/spec/{field}/" + string(i) + "/env'
    append, make = _add(f'{env}/-"', variable), _add(f'{env}"', f"[{variable}]")
    return (
        f"(variables.requestsGpu && has(object.spec.{field}) ? object.spec.{field} : []).transformList(i, c,\n"
        f"{requests}({is_gpu}) && {absent},\nhas(c.env) ? {append} :\n{make})"
    )


def _toleration() -> str:
    fields = ", ".join(f"{field}: {_text(value)}" for field, value in TOLERATION.items())
    wanted, key, effect = f"Object.spec.tolerations{{{fields}}}", _text(TOLERATION["key"]), _text(TOLERATION["effect"])
    tolerates = (
        f'(!has(t.key) || t.key == "" || t.key == {key}) && has(t.operator) && t.operator == "Exists" &&\n'
        f'(!has(t.effect) || t.effect == "" || t.effect == {effect})'
    )
    append, make = _add(_text("/spec/tolerations/-"), wanted), _add(_text("/spec/tolerations"), f"[{wanted}]")
    present = f"object.spec.tolerations.exists(t, {tolerates})"
    return f"(!has(object.spec.tolerations) ? [{make}] :\n{present} ? [] : [{append}])"


def _add(path: str, value: str) -> str:
    return f'JSONPatch{{op: "add", path: {path}, value: {value}}}'


def _text(value: str) -> str:
    return json.dumps(value)
