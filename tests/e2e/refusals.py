"""Pods that are refused, and what controllers and kubelets say of it."""

from collections.abc import Mapping
from typing import Any

from e2e.kubectl import Kubectl


def deployment(namespace: str, template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Deployment of one pod."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "model", "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": template},
    }


def events_of(kubectl: Kubectl, namespace: str, reason: str) -> list[dict[str, Any]]:
    """Return the Events of a reason."""
    selector = f"--field-selector=reason={reason}"
    return list(kubectl.get("events", "--namespace", namespace, selector)["items"])


def no_host_path(namespace: str) -> list[dict[str, Any]]:
    """Return a ValidatingAdmissionPolicy by which no pod of a namespace may have a hostPath."""
    name = f"no-host-path-{namespace}"
    expression = "!has(object.spec.volumes) || object.spec.volumes.all(v, !has(v.hostPath))"
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    kinds = {
        "ValidatingAdmissionPolicy": {
            "matchConstraints": {"resourceRules": rules},
            "validations": [{"expression": expression, "message": "not in this namespace"}],
        },
        "ValidatingAdmissionPolicyBinding": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": selector},
        },
    }
    api = "admissionregistration.k8s.io/v1"
    return [{"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec} for kind, spec in kinds.items()]


def pods_of(kubectl: Kubectl, namespace: str) -> list[dict[str, Any]]:
    """Return the pods of a namespace."""
    return list(kubectl.get("pods", "--namespace", namespace)["items"])
