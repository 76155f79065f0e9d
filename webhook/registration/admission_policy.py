"""What CEL can say of the decision: a MutatingAdmissionPolicy, for clusters that want no webhook.

Source: https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
"""

import json
import re
from typing import Any

from webhook.decide.decision import DECISION_KEY, INJECT_KEY
from webhook.decide.pod import MIRROR_KEY
from webhook.decide.workload.context import SYSTEM_NAMESPACES
from webhook.decide.workload.patch_runtime_class import DRIVER_CAPABILITIES, TOLERATION, VISIBLE_DEVICES
from webhook.decide.workload.pod_rules import CONTAINERS_LIMIT
from webhook.kube.metadata import NAMESPACE_NAME_LABEL
from webhook.kube.values import at
from webhook.nvidia.driver_paths import DRIVER_DIRECTORIES, LIBRARY, SHARED_LIBRARY_DIRECTORIES
from webhook.policy.model import Policy
from webhook.registration.conditions import gpu_pods_condition, requests_gpu

NAME = "gpu-injector"
API_VERSION = "admissionregistration.k8s.io/v1"
WORD = "inject/runtime-class"
CONTAINERS, INIT_CONTAINERS = "containers", "initContainers"
# The API server refuses a pod with more than 256 KiB of annotations; a character has up to four bytes.
ANNOTATIONS_LIMIT = 65_000

# Every reason that CEL cannot give is named, in the words of docs/reasons.md.
LIMITS = (
    "It sets the class wherever the RuntimeClass exists, whatever the nodes can do: it sees no node, no device plugin,",
    "  no ClusterPolicy and no DeviceClass. So it leaves no pod alone for cdi, nri, dra, platform-provides,",
    "  provider-mixed, handler-missing, handler-mixed or handler-unknown. On k3s and RKE2, where the class exists on",
    "  every cluster, it may name a class that a node cannot run.",
    "It mounts no libraries (the fallback, with driver-mixed, driver-unknown, driver-unproven, mount-conflict and",
    "  pod-security), and keeps no debug container off the GPUs.",
    "It repairs no device plugin (the bootstrap: driver-root, nvml, nvml-insufficient, nvml-provided, setback,",
    "  no-gpu-evidence, node-unknown, not-a-plugin, operator-managed, creator-untrusted, namespace-not-allowed and",
    "  recipe-off).",
    "It warns nobody, and annotates only what it patches: a pod that it leaves alone does not say why.",
    "It has no dry-run: a namespace labelled dry-run is left alone.",
    "A class whose scheduling.nodeSelector contradicts the pod's nodeSelector is not set; one that does not fit the",
    "  pod's nodeName, affinity or tolerations is (scheduling-conflict).",
    f"A pod of more than {CONTAINERS_LIMIT} containers is patched, too (too-many-containers).",
    "Host paths of mounts are compared as they are written: /usr//lib64 is not taken for /usr/lib64.",
    f"A pod with more than {ANNOTATIONS_LIMIT} characters of annotations does not get ours.",
    "It works in the API server, so it knows no view-stale, namespace-unknown or patch-refused.",
)
OPT_OUT_LIMIT = "A namespace whose label has another value than enabled, disabled and dry-run counts as enabled."


def admission_policy(policy: Policy) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the MutatingAdmissionPolicy and its binding. It holds what ``LIMITS`` does not take back."""
    selectors = {"namespaceSelector": _namespaces(policy), "objectSelector": _not("disabled")}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    conditions = {
        "gpu": gpu_pods_condition(policy),
        "linux": "!has(object.spec.os) || object.spec.os.name != 'windows'",
        "no-mirror": f"!has(object.metadata.annotations) || !('{MIRROR_KEY}' in object.metadata.annotations)",
        "no-class-but-ours": _no_class_but_ours(policy),
        "no-driver-mounts": _no_driver_mounts(policy),
        "no-user-namespace": "!has(object.spec.hostUsers) || object.spec.hostUsers",
    }
    spec = {
        "failurePolicy": "Ignore",
        # A container that another mutation adds later gets what it lacks.
        "reinvocationPolicy": "IfNeeded",
        # With the class as parameter nothing is patched where it does not exist.
        "paramKind": {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass"},
        "matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": [rule], **selectors},
        "matchConditions": [{"name": name, "expression": text} for name, text in conditions.items()],
        "variables": [{"name": "fits", "expression": _FITS}],
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
    """Return in words where its result differs from the webhook's."""
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
    ours = f"has({annotations}) && '{DECISION_KEY}' in {annotations} && {annotations}['{DECISION_KEY}'] == '{WORD}'"
    return (
        f"!has(object.spec.runtimeClassName) ||\n(object.spec.runtimeClassName == '{policy.runtime_class}' && {ours})"
    )


def _no_driver_mounts(policy: Policy) -> str:
    shared = "|".join(map(re.escape, sorted(SHARED_LIBRARY_DIRECTORIES)))
    driver = "|".join(map(re.escape, DRIVER_DIRECTORIES))
    path = _text(f"^({shared})/?$|^({driver})(/.*)?$|^.*/{LIBRARY.pattern}/?$")
    return (
        "!has(object.spec.volumes) || !(object.spec.containers + (has(object.spec.initContainers) ? "
        f"object.spec.initContainers : [])).exists(c, {requests_gpu('c', policy)} &&\n"
        "has(c.volumeMounts) && c.volumeMounts.exists(m, object.spec.volumes.exists(v, v.name == m.name &&\n"
        f"has(v.hostPath) && v.hostPath.path.matches({path}))))"
    )


# The API server refuses a pod whose nodeSelector contradicts that of its class.
_FITS = (
    "!has(params.scheduling) || !has(params.scheduling.nodeSelector) || !has(object.spec.nodeSelector) ||\n"
    "!params.scheduling.nodeSelector.exists(k, k in object.spec.nodeSelector &&\n"
    "object.spec.nodeSelector[k] != params.scheduling.nodeSelector[k])"
)
_ROOM = (
    f"object.metadata.annotations.map(k, size(k) + size(object.metadata.annotations[k])).sum() <= {ANNOTATIONS_LIMIT}"
)


def _patch(policy: Policy) -> str:
    """Return the expression of the patch: a list of operations, none where the class does not fit."""
    annotation = f"{{{_text(DECISION_KEY)}: {_text(WORD)}}}"
    one = _add(_text(at("/metadata/annotations", DECISION_KEY)), _text(WORD))
    annotate = (
        f"(!has(object.metadata.annotations) ? [{_add(_text('/metadata/annotations'), annotation)}] :\n"
        f"{_ROOM} ? [{one}] : [])"
    )
    parts = [
        f"[{_add(_text('/spec/runtimeClassName'), _text(policy.runtime_class))}]",
        annotate,
        *(_variables(field, policy, requests="!", name=VISIBLE_DEVICES, value="void") for field in _FIELDS),
    ]
    if policy.driver_capabilities:
        value = policy.driver_capabilities
        parts += [_variables(field, policy, requests="", name=DRIVER_CAPABILITIES, value=value) for field in _FIELDS]
    if policy.add_toleration:
        parts.append(_toleration())
    return "!variables.fits ? [] :\n" + " +\n".join(parts)


_FIELDS = (INIT_CONTAINERS, CONTAINERS)


def _variables(field: str, policy: Policy, *, requests: str, name: str, value: str) -> str:
    """Set a variable in each container of a field that requests a GPU (``requests`` empty), or none (``!``)."""
    asks = requests_gpu("c", policy)
    absent = f'!has(c.envFrom) && !(has(c.env) && c.env.exists(e, e.name == "{name}"))'
    variable = f'Object.spec.{field}.env{{name: "{name}", value: "{value}"}}'
    env = f'"/spec/{field}/" + string(i) + "/env'
    append, make = _add(f'{env}/-"', variable), _add(f'{env}"', f"[{variable}]")
    return (
        f"(has(object.spec.{field}) ? object.spec.{field} : []).transformList(i, c,\n"
        f"{requests}({asks}) && {absent},\nhas(c.env) ? {append} :\n{make})"
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
