"""Which fields of each kind are kept. What is not named here never reaches the file."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any


class Keep(Enum):
    """How the value of a field is kept."""

    SCALAR = auto()
    """A name, number or word of the API."""
    MAP = auto()
    """Labels, or quantities by resource."""
    TEXT = auto()
    """A message for people, of which credentials are taken out."""
    PRESENCE = auto()
    """Only that it is there."""


Shape = Keep | Mapping[str, Any] | list[Any] | Callable[..., Any]
S, MAP, TEXT, PRESENCE = Keep.SCALAR, Keep.MAP, Keep.TEXT, Keep.PRESENCE

EXPRESSIONS = [{"key": S, "operator": S, "values": [S]}]
SELECTOR = {"matchLabels": MAP, "matchExpressions": EXPRESSIONS}
TOLERATIONS = [{"key": S, "operator": S, "value": S, "effect": S, "tolerationSeconds": S}]
NODE_TERMS = [{"matchExpressions": EXPRESSIONS, "matchFields": EXPRESSIONS}]
RULES = [{"apiGroups": [S], "apiVersions": [S], "operations": [S], "resources": [S], "resourceNames": [S], "scope": S}]
CONSTRAINTS = {
    "resourceRules": RULES,
    "excludeResourceRules": RULES,
    "namespaceSelector": SELECTOR,
    "objectSelector": SELECTOR,
    "matchPolicy": S,
}
SECURITY = {
    "privileged": S,
    "allowPrivilegeEscalation": S,
    "readOnlyRootFilesystem": S,
    "runAsUser": S,
    "runAsGroup": S,
    "runAsNonRoot": S,
    "capabilities": {"add": [S], "drop": [S]},
}
# ``env``, ``command`` and ``args`` are reduced by their own rules, which need the whole pod.
CONTAINER = {
    "name": S,
    "image": S,
    "restartPolicy": S,
    "resources": {"limits": MAP, "requests": MAP, "claims": [{"name": S}]},
    "securityContext": SECURITY,
    "volumeMounts": [{"name": S, "mountPath": S, "subPath": S, "readOnly": S, "mountPropagation": S}],
    "envFrom": [PRESENCE],
}
CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
POD_SPEC = {
    "nodeName": S,
    "runtimeClassName": S,
    "hostUsers": S,
    "os": {"name": S},
    "schedulerName": S,
    "serviceAccountName": S,
    "nodeSelector": MAP,
    "overhead": MAP,
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": NODE_TERMS}}},
    "tolerations": TOLERATIONS,
    "resourceClaims": [{"name": S}],
    "securityContext": SECURITY,
    "volumes": [
        {
            "name": S,
            "hostPath": {"path": S, "type": S},
            **dict.fromkeys(("emptyDir", "configMap", "secret", "projected", "persistentVolumeClaim"), PRESENCE),
        }
    ],
    **{name: [CONTAINER] for name in CONTAINER_LISTS},
}
END = {"reason": S, "message": TEXT, "exitCode": S, "startedAt": S, "finishedAt": S}
STATE = {"waiting": {"reason": S, "message": TEXT}, "running": {"startedAt": S}, "terminated": END}
CONTAINER_STATUS = {
    "name": S,
    "ready": S,
    "restartCount": S,
    "state": STATE,
    "lastState": {"terminated": END},
    "allocatedResourcesStatus": [{"name": S, "resources": [{"resourceID": S, "health": S}]}],
}
CONDITIONS = [{"type": S, "status": S, "reason": S, "message": TEXT, "lastTransitionTime": S, "lastHeartbeatTime": S}]
POD_STATUS = {
    "phase": S,
    "reason": S,
    "message": TEXT,
    "startTime": S,
    "conditions": CONDITIONS,
    "initContainerStatuses": [CONTAINER_STATUS],
    "containerStatuses": [CONTAINER_STATUS],
}
NODE = {
    "spec": {"taints": [{"key": S, "value": S, "effect": S}], "unschedulable": S},
    "status": {
        "capacity": MAP,
        "allocatable": MAP,
        "conditions": CONDITIONS,
        "runtimeHandlers": [{"name": S}],
        "nodeInfo": MAP,
    },
}
WEBHOOKS = {
    "webhooks": [
        {
            "name": S,
            "rules": RULES,
            "failurePolicy": S,
            "timeoutSeconds": S,
            "reinvocationPolicy": S,
            "sideEffects": S,
            "matchPolicy": S,
            "namespaceSelector": SELECTOR,
            "objectSelector": SELECTOR,
            "clientConfig": {"service": {"name": S, "namespace": S, "path": S, "port": S}},
        }
    ]
}
SHARED_METADATA = {
    "name": S,
    "generateName": S,
    "namespace": S,
    "uid": S,
    "labels": MAP,
    "creationTimestamp": S,
    "deletionTimestamp": S,
    "ownerReferences": [{"apiVersion": S, "kind": S, "name": S, "uid": S, "controller": S}],
}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "Node": NODE,
    "Namespace": {"status": {"phase": S}},
    "Pod": {"spec": POD_SPEC, "status": POD_STATUS},
    "RuntimeClass": {
        "handler": S,
        "scheduling": {"nodeSelector": MAP, "tolerations": TOLERATIONS},
        "overhead": {"podFixed": MAP},
    },
    "ClusterPolicy": {
        "spec": {
            "cdi": {"enabled": S, "nriPluginEnabled": S},
            "toolkit": {"enabled": S},
            "validator": {"version": S},
        },
        "status": {"state": S},
    },
    "GPUCluster": {"status": {"state": S}},
    "DeviceClass": {"spec": {"extendedResourceName": S}},
    "ResourceSlice": {"spec": {"driver": S, "nodeName": S, "allNodes": S, "devices": [{"name": S}]}},
    "ValidatingAdmissionPolicy": {"spec": {"matchConstraints": CONSTRAINTS}},
    "ValidatingAdmissionPolicyBinding": {
        "spec": {"policyName": S, "validationActions": [S], "matchResources": CONSTRAINTS}
    },
    "MutatingWebhookConfiguration": WEBHOOKS,
    "ValidatingWebhookConfiguration": WEBHOOKS,
    "LimitRange": {"spec": {"limits": [{"type": S, "default": MAP, "defaultRequest": MAP}]}},
    "EndpointSlice": {"endpoints": [{"conditions": {"ready": S}}]},
    "Event": {
        "type": S,
        "reason": S,
        "message": TEXT,
        "count": S,
        "lastTimestamp": S,
        "eventTime": S,
        "series": {"lastObservedTime": S},
        "reportingInstance": S,
        "source": {"component": S, "host": S},
        "involvedObject": {"kind": S, "namespace": S, "name": S, "uid": S},
    },
    "APIGroupList": {"groups": [{"name": S, "preferredVersion": {"groupVersion": S}}]},
}
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job")
"""Kinds with a pod template at ``spec.template``."""
WORKLOAD_SPEC = {"replicas": S, "selector": SELECTOR}
WORKLOAD: Mapping[str, Any] = {
    "spec": WORKLOAD_SPEC,
    "status": {"replicas": S, "readyReplicas": S},
}
