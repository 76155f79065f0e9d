"""A cluster in which every check of `doctor` passes, as objects of the fake API server that a test may spoil."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from certs.rotation import Schedule
from certs.rotation_steps import create
from certs.secret_content import SecretContent, write_content
from support.cluster_world import namespace, runtime_class
from support.direct_client import direct_session
from support.fake_api import FakeApi
from support.fake_replica import presenting
from webhook.commands.shared.read_cluster import look as read_cluster
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.read import Asked
from webhook.names import ANSWERED_BY_KEY, DECISION_KEY, INJECT_KEY
from webhook.policy.model import Policy

Json = dict[str, Any]

# The command line looks at the clock, so that the certificate must be good now.
NOW = datetime.now(UTC)
INSTALL = Path(__file__).parents[2] / "deploy" / "install.yaml"
HOME = "gpu-injector"
NAMES = (f"gpu-injector.{HOME}.svc",)
REPLICAS = ("webhook-a", "webhook-b")
MARKED: Json = {"metadata": {"annotations": {ANSWERED_BY_KEY: REPLICAS[0]}}}
PLUGIN = "nvidia-device-plugin-abcde"
GPU = "nvidia.com/gpu"
# Registrations, and whatever else does not say, were created on the first of January.
LATER = "2026-05-31T00:00:00Z"
NOT_SERVED = ("/apis/nvidia.com/v1/clusterpolicies", "/apis/resource.k8s.io/v1/resourceslices")


@dataclass
class Cluster:
    """The objects by kind and name; what is answered at other paths; and the user's policy.

    ``logs`` are by pod, ``tried`` is what a server-side dry-run answers: status, body, and ``warnings``; ``heartbeat``
    is what it answers to the heartbeat. ``served`` is what our pods present over TLS.
    """

    objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    tried: tuple[int, Json] = (201, {})
    warnings: tuple[str, ...] = ()
    heartbeat: tuple[int, Json] = (201, MARKED)
    version: Json = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    served: SecretContent = field(default_factory=lambda: create(NAMES, NOW - timedelta(days=3), Schedule()))

    def add(self, *items: Json) -> None:
        """Have objects, in place of those of that kind and name."""
        for item in items:
            self.objects[item["kind"], item["metadata"]["name"]] = item

    def of(self, kind: str, name: str) -> Json:
        """Return one object, to be changed in place."""
        return self.objects[kind, name]

    def remove(self, kind: str, name: str) -> None:
        """Have an object no more."""
        del self.objects[kind, name]

    @property
    def node(self) -> Json:
        """The GPU node."""
        return self.of("Node", "gpu-node")

    @property
    def plugin(self) -> Json:
        """The device plugin's pod on it."""
        return self.of("Pod", PLUGIN)

    @property
    def daemon_set(self) -> Json:
        """The device plugin's DaemonSet."""
        return self.of("DaemonSet", "nvidia-device-plugin")

    @property
    def pod(self) -> Json:
        """The GPU pod of namespace ml."""
        return self.of("Pod", "model")

    def entry(self, name: str) -> Json:
        """One entry of the mutating registration."""
        entries: list[Json] = self.of("MutatingWebhookConfiguration", "gpu-injector")["webhooks"]
        return next(entry for entry in entries if entry["name"] == f"{name}.gpu-injector.io")

    def bare_pod(self) -> Json:
        """Return the GPU pod, as it would be had the webhook never seen it."""
        del self.pod["spec"]["runtimeClassName"]
        del self.pod["metadata"]["annotations"]
        self.pod["spec"]["containers"][1]["env"] = []
        return self.pod

    def blind_plugin(self, log: str = "") -> Json:
        """Return the plugin's pod, as it would be had it been made without the webhook."""
        del self.plugin["spec"]["runtimeClassName"]
        self.plugin["metadata"]["annotations"] = {}
        self.node["status"]["allocatable"][GPU] = self.node["status"]["capacity"][GPU] = "0"
        self.logs[PLUGIN] = log
        return self.plugin


def healthy() -> Cluster:
    """Return a cluster in which every check passes."""
    cluster = Cluster(version={"major": "1", "minor": "33+", "gitVersion": "v1.33.5"})
    cluster.add(
        *_installed(cluster.served), *_our_pods(), _node(), _daemon_set(), _plugin_pod(), _gpu_pod(), runtime_class()
    )
    cluster.add(namespace("ml", **{INJECT_KEY: "enabled"}), namespace("kube-system"), namespace(HOME))
    cluster.tried = (201, _annotated({"metadata": {"namespace": "ml", "name": "gpu-injector-trial-1"}}))
    for name in REPLICAS:
        cluster.logs[name] = '{"event": "watch-found", "kind": "nodes"}\n'
    return cluster


async def look(cluster: Cluster, folder: Path, *forbidden: str, scope: str = "", own: str = "default") -> ClusterFacts:
    """Read the facts of a cluster; ``forbidden`` are paths (``*`` at the end: a prefix)."""
    async with served(cluster) as fake, direct_session(fake, folder) as api:
        for path in forbidden:
            fake.fault(path, status=403, body={"kind": "Status", "reason": "Forbidden"})
        return await read_cluster(api, Asked(cluster.policy, scope, own), NOW)


@asynccontextmanager
async def served(cluster: Cluster) -> AsyncIterator[FakeApi]:
    """Serve a cluster: objects, logs, version, API groups and the answer to a pod that is only tried."""
    async with presenting(cluster.served) as port, FakeApi() as fake:
        fake.forwards = dict.fromkeys(REPLICAS, port)
        uids: dict[str, str] = {}
        for item in sorted(cluster.objects.values(), key=lambda item: item["kind"] == "Pod"):
            stored = fake.put(deepcopy(item))
            uids[item["metadata"]["name"]] = stored["metadata"]["uid"]
            # The store, as the real one, lets no client write these.
            stored["metadata"] |= {k: v for k, v in item["metadata"].items() if k == "creationTimestamp"}
            for owner in stored["metadata"].get("ownerReferences", ()):
                owner["uid"] = uids[owner["name"]]
        kinds = {kind for kind, _ in cluster.objects}
        for path, kind in zip(NOT_SERVED, ("ClusterPolicy", "ResourceSlice"), strict=True):
            if kind not in kinds:
                fake.fault(path, status=404)
        fake.fault("/version", status=200, body=cluster.version)
        fake.fault("/apis", status=200, body={"kind": "APIGroupList", "groups": [{"name": "apps"}]})
        for (kind, name), item in cluster.objects.items():
            if kind == "Pod":
                place = f"/api/v1/namespaces/{item['metadata']['namespace']}/pods/{name}/log"
                fake.fault(place, status=200, body=cluster.logs.get(name, "").encode())
        status, answer = cluster.heartbeat
        fake.fault(f"/api/v1/namespaces/{HOME}/configmaps", method="POST", status=status, body=answer)
        status, answer = cluster.tried
        said = {"Warning": cluster.warnings[0]} if cluster.warnings else {}
        fake.fault("/api/v1/namespaces/ml/pods", method="POST", status=status, body=answer, headers=said)
        yield fake


def event(message: str, *, reason: str = "FailedCreatePodSandBox", host: str = "gpu-node") -> Json:
    """Return a warning about the GPU pod, as a kubelet writes it."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "model.1", "namespace": "ml"},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "involvedObject": {"kind": "Pod", "namespace": "ml", "name": "model"},
        "source": {"component": "kubelet", "host": host},
    }


@cache
def _manifest() -> list[Json]:
    return [item for item in yaml.safe_load_all(INSTALL.read_text()) if item]


def _installed(material: SecretContent) -> list[Json]:
    """Return what deploy/install.yaml installs, as it is once the webhook has written its certificate."""
    kept = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "Deployment")
    items = [deepcopy(item) for item in _manifest() if item["kind"] in kept]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": HOME, "namespace": HOME}}
    written = write_content(material, secret)
    for item in items:
        for entry in item.get("webhooks", ()):
            entry["clientConfig"]["caBundle"] = written["data"]["ca.crt"]
        if item["kind"] == "Deployment":
            item["status"] = {"replicas": 2, "readyReplicas": 2}
    return [*items, written]


def _our_pods() -> list[Json]:
    labels = {"app.kubernetes.io/name": "gpu-injector"}
    endpoints = [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]
    slices = {"name": "gpu-injector-1", "namespace": HOME, "labels": {"kubernetes.io/service-name": "gpu-injector"}}
    return [
        *(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": HOME, "labels": labels},
                "spec": {"containers": [{"name": "webhook"}]},
                "status": {"phase": "Running"},
            }
            for name in REPLICAS
        ),
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slices,
            "endpoints": endpoints,
        },
    ]


def _node() -> Json:
    resources = {"cpu": "16", GPU: "2"}
    labels = {"nvidia.com/gpu.present": "true", "kubernetes.io/hostname": "gpu-node"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "gpu-node", "labels": labels},
        "spec": {},
        "status": {
            "capacity": dict(resources),
            "allocatable": dict(resources),
            "conditions": [{"type": "Ready", "status": "True"}],
            "runtimeHandlers": [{"name": name} for name in ("", "runc", "nvidia")],
            "nodeInfo": {
                "osImage": "Ubuntu 24.04.3 LTS",
                "architecture": "amd64",
                "kernelVersion": "6.8.0-85-generic",
                "containerRuntimeVersion": "containerd://2.1.4",
                "kubeletVersion": "v1.33.5",
            },
        },
    }


def _daemon_set() -> Json:
    labels = {"name": "nvidia-device-plugin-ds"}
    spec = {"containers": [{"name": "nvidia-device-plugin-ctr", "env": []}], "tolerations": [{"operator": "Exists"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "nvidia-device-plugin", "namespace": "kube-system", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def _plugin_pod() -> Json:
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "nvidia-device-plugin", "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": PLUGIN,
            "namespace": "kube-system",
            "labels": {"name": "nvidia-device-plugin-ds"},
            "annotations": {DECISION_KEY: "bootstrap/runtime-class"},
            "ownerReferences": [owner],
        },
        "spec": {
            "nodeName": "gpu-node",
            "runtimeClassName": "nvidia",
            "containers": [{"name": "nvidia-device-plugin-ctr", "env": []}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _gpu_pod() -> Json:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "model", "namespace": "ml"},
        "spec": {
            "nodeName": "gpu-node",
            "runtimeClassName": "nvidia",
            "containers": [
                {"name": "main", "resources": {"limits": {GPU: "1"}}},
                {"name": "sidecar", "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}]},
            ],
        },
        "status": {"phase": "Running"},
    }
    return _annotated(pod)


def _annotated(pod: Json) -> Json:
    pod["metadata"]["annotations"] = {DECISION_KEY: "inject/runtime-class"}
    return pod
