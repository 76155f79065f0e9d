"""What reaches a file: everything that decisions read, and no secret."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.golden_cases import CASES, read_case, view_file

from webhook.archive.free_text import HIDDEN, scrub
from webhook.archive.reduce import Reducer
from webhook.kube.manifests import read_documents
from webhook.view.projections import view_of

CANARY = "canary-s3cr3t-0123456789"
# Kept as they are: names, places, and words of the API. A secret in them would be visible to everybody in the cluster.
VERBATIM = frozenset(
    {
        *("name", "generateName", "namespace", "uid", "kind", "apiVersion", "labels", "matchLabels", "nodeSelector"),
        *("key", "values", "value", "image", "path", "mountPath", "subPath", "nodeName", "host", "handler", "driver"),
    }
)


def kubectl_objects(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a view file."""
    return [document.content for document in read_documents(path.read_text(), str(path))]


def reduced(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the objects reduced, as text and back: what a file would give. Markers of lists stay."""
    reduce = Reducer()
    found = [
        item if item["kind"].endswith("List") or item["kind"] == "CustomResourceDefinition" else reduce(item)
        for item in objects
    ]
    return [item for item in yaml.safe_load(yaml.safe_dump(found)) if item is not None]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_reduced_objects_give_the_same_decision(case: Path) -> None:
    """Verdict, reason and warnings are those of the whole objects."""
    whole = read_case(case)
    objects = kubectl_objects(view_file(case))
    whole_decision = whole.decide()
    object.__setattr__(whole, "view", view_of(reduced(objects)))
    decision = whole.decide()
    assert (decision.word, decision.warnings) == (whole_decision.word, whole_decision.warnings)


def spoilt(value: object, where: str = "") -> object:
    """Return JSON with the canary in each text that is no name."""
    if isinstance(value, dict):
        kept = frozenset({"name"}) if where == "env" else VERBATIM
        return {key: value[key] if key in kept else spoilt(value[key], _under(key, where)) for key in value}
    if isinstance(value, list):
        return [spoilt(item, where) for item in value]
    return CANARY if isinstance(value, str) else value


def _under(key: str, where: str) -> str:
    return "env" if key == "env" else where


POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "model",
        "namespace": "ml",
        "annotations": {"a": "x", "gpu-injector.io/decision": "x", "k3s.io/node-args": '["--token", "x"]'},
        "managedFields": [{"manager": "x", "fieldsV1": {"f:spec": {"x": "y"}}}],
    },
    "spec": {
        "imagePullSecrets": [{"name": CANARY}],
        "containers": [
            {
                "name": "main",
                "image": f"https://user:{CANARY}@registry.example/image",
                "command": ["/bin/x", "--password", CANARY],
                "args": [f"--device-list-strategy={CANARY}", f"--nvidia-driver-root={CANARY}", "--config-file", CANARY],
                "env": [
                    {"name": "NVIDIA_VISIBLE_DEVICES", "value": CANARY},
                    {"name": "DEVICE_LIST_STRATEGY", "value": CANARY},
                    {"name": "NVIDIA_DRIVER_ROOT", "value": CANARY},
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "x", "key": CANARY}}},
                ],
                "envFrom": [{"secretRef": {"name": CANARY}}],
                "livenessProbe": {
                    "exec": {"command": [CANARY]},
                    "httpGet": {"httpHeaders": [{"name": "x", "value": CANARY}]},
                },
                "lifecycle": {"preStop": {"exec": {"command": [CANARY]}}},
            }
        ],
        "volumes": [{"name": "v", "csi": {"volumeAttributes": {"token": CANARY}}}],
    },
    "status": {
        "phase": "Running",
        "containerStatuses": [
            {"name": "main", "state": {"waiting": {"reason": "x", "message": f'exec: "{CANARY}": not found'}}},
        ],
    },
}


def test_no_canary_of_a_pod_survives() -> None:
    """Variables, arguments, annotations, probes, pull secrets: none of their values is in what is kept."""
    reduce = Reducer()
    reduce(POD)
    assert CANARY not in yaml.safe_dump(reduce(POD))


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap", "ServiceAccount", "Lease", "CertificateSigningRequest"])
def test_of_other_kinds_nothing_is_kept(kind: str) -> None:
    """A kind that is not named has no place in a file."""
    item = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "a"},
        "data": {"a": CANARY},
        "spec": {"request": CANARY},
    }
    assert Reducer()(item) is None


def test_of_the_replicas_state_no_secret_survives() -> None:
    """Setbacks quote a node's message: credentials in it go, and fields that we do not write never come in."""
    host = {"os_image": "x", "kernel": "x", "architecture": "x", "runtime": "x", "handlers": None, "more": CANARY}
    times = {"at": "2026-06-01T00:00:00+00:00", "until": "2026-06-01T01:00:00+00:00"}
    setback = {"key": ["kube-system", "plugin", "node", "nvml"], "kind": "blocked", "text": 0, "host": 0, **times}
    content = {"schema": 1, "hosts": [host], "texts": [f"token={CANARY}"], "setbacks": [setback], "note": CANARY}
    about = {"name": "gpu-injector-state", "namespace": "gpu-injector", "annotations": {"note": CANARY}}
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about}
    found = Reducer()({**item, "data": {"state.json": json.dumps(content), "other": CANARY}})
    assert found is not None
    assert (CANARY in json.dumps(found), '"kind":"blocked"' in found["data"]["state.json"]) == (False, True)


ODD: dict[str, dict[str, Any]] = {
    "Node": {"metadata": {"name": "n", "annotations": {"x": "y"}}, "status": {"addresses": [{"address": "x"}]}},
    "ClusterPolicy": {
        "metadata": {"name": "p"},
        "spec": {
            "driver": {"licensingConfig": {"secretName": "x"}, "imagePullSecrets": ["x"]},
            "toolkit": {"env": [{"name": "CONTAINERD_SET_AS_DEFAULT", "value": "x"}, {"name": "OTHER", "value": "x"}]},
        },
    },
    "ValidatingAdmissionPolicy": {
        "metadata": {"name": "p"},
        "spec": {
            "validations": [{"expression": "object.x == 'y'", "message": "x"}],
            "auditAnnotations": [{"valueExpression": "x"}],
        },
    },
    "MutatingWebhookConfiguration": {
        "metadata": {"name": "w", "annotations": {"x": "y"}},
        "webhooks": [
            {
                "name": "other.example.com",
                "clientConfig": {"caBundle": "x", "url": "https://user:x@host.example/x?token=x"},
                "matchConditions": [{"name": "c", "expression": "x"}],
            }
        ],
    },
    "EndpointSlice": {"metadata": {"name": "e"}, "endpoints": [{"addresses": ["x"], "targetRef": {"x": "y"}}]},
    "DeviceClass": {"metadata": {"name": "d"}, "spec": {"config": [{"opaque": {"parameters": {"x": "y"}}}]}},
    "ResourceSlice": {
        "metadata": {"name": "r"},
        "spec": {"driver": "d", "devices": [{"name": "g", "attributes": {"uuid": {"string": "x"}}}]},
    },
    "Namespace": {
        "metadata": {
            "name": "ml",
            "annotations": {"scheduler.alpha.kubernetes.io/tolerationsWhitelist": "x", "owner": "x"},
        }
    },
    "Deployment": {"metadata": {"name": "d"}, "spec": {"template": {"spec": POD["spec"]}}},
    "CronJob": {"metadata": {"name": "d"}, "spec": {"jobTemplate": {"spec": {"template": {"spec": POD["spec"]}}}}},
}


@pytest.mark.parametrize("kind", ODD)
def test_no_canary_of_other_objects_survives(kind: str) -> None:
    """Each text that is no name is replaced by a secret, and none of them is in what is kept."""
    item = {"apiVersion": "v1", "kind": kind, **ODD[kind]}
    spoilt_item = spoilt(item)
    assert isinstance(spoilt_item, dict)
    reduce = Reducer()
    reduce(spoilt_item)
    assert CANARY not in yaml.safe_dump(reduce(spoilt_item))


@pytest.mark.parametrize(
    "text",
    [
        f"Failed to pull image: https://user:{CANARY}@registry.example/v2/: unauthorized",
        f"GET https://registry.example/v2/token?account=a&sig={CANARY}: denied",
        f"Authorization: Bearer {CANARY}",
        f'config {{"password": "{CANARY}"}}',
        f"NGC_API_KEY={CANARY}",
        f"login with token={CANARY} failed",
        "-----BEGIN PRIVATE KEY-----\n" + CANARY.replace("-", "") + "\n-----END PRIVATE KEY-----",
    ],
)
def test_credentials_are_taken_out_of_messages(text: str) -> None:
    """Whatever a runtime or a registry repeats of them."""
    assert CANARY not in scrub(text)
    assert CANARY.replace("-", "") not in scrub(text)


def test_a_message_stays_what_it_is() -> None:
    """What the checks look for is not taken for a credential."""
    said = 'failed to create pod sandbox: rpc error: code = Unknown desc = no runtime for "nvidia" is configured'
    assert scrub(said) == said
    assert HIDDEN not in scrub("XidCriticalError: Xid=79 on Device=GPU-7540a9b3-eeb9-1214-1526-f93c9ea826a8")
