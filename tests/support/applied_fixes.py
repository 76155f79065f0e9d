"""What doctor advises, done to a cluster as a person, the controllers and the kubelet would do it."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonpatch
import yaml

from certs.secret_content import write_content
from support.doctor_world import GPU, Cluster, Json, healthy, look
from webhook.names import DECISION_KEY
from webhook.policy.load import parse_policy

Step = Callable[[Cluster, "re.Match[str]"], None]
STEPS: list[tuple[re.Pattern[str], Step]] = []
INSTALLED = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "Deployment")
DELETE = re.compile(r"kubectl -n (\S+) delete pod (\S+)")
SENTENCES = re.compile(r" && |, then |; then |; if it has one: |if \\S+ has a GPU: ")


def step(pattern: str) -> Callable[[Step], Step]:
    """Add a step that is known by its words."""

    def add(function: Step) -> Step:
        STEPS.append((re.compile(pattern, re.DOTALL), function))
        return function

    return add


async def apply(cluster: Cluster, fix: Sequence[str], folder: Path) -> bool:
    """Do what a fix says; return whether all of it could be done here."""
    parts = [fix[0], *fix[1:]] if len(fix) == 1 else ["\n".join(fix)]
    for part in _parts(parts[0]):
        if found := DELETE.search(part):
            await _next_pod(cluster, found[2], folder)
            continue
        known = next(((do, found) for pattern, do in STEPS if (found := pattern.search(part))), None)
        if known is None:
            return False
        known[0](cluster, known[1])
    return True


def _parts(fix: str) -> Iterator[str]:
    if "\n" in fix:
        yield fix
        return
    yield from (part for part in SENTENCES.split(fix) if not part.startswith("nothing, if"))


async def _next_pod(cluster: Cluster, name: str, folder: Path) -> None:
    """Have the DaemonSet's next pod on the node, as the webhook patches it; with a patch it finds the GPUs."""
    facts = await look(cluster, folder)
    blind = next((item for item in facts.blind if item.pod.plugin.name == name), None)
    if blind is None:
        return
    pod = cluster.of("Pod", name)
    spec: Json = {"spec": pod["spec"], "metadata": {**pod["metadata"], "annotations": {}}}
    patched: Any = jsonpatch.JsonPatch(json.loads(json.dumps(list(blind.decision.operations)))).apply(spec)
    pod["spec"], pod["metadata"] = patched["spec"], patched["metadata"]
    pod["metadata"].setdefault("annotations", {})[DECISION_KEY] = blind.decision.word
    if blind.decision.operations:
        pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        cluster.logs[name] = "Registered device plugin for 'nvidia.com/gpu' with Kubelet\n"
        node = cluster.of("Node", pod["spec"]["nodeName"])
        for quantities in ("capacity", "allocatable"):
            node["status"][quantities][GPU] = "2"


@step(r"kubectl label (node|namespace) (\S+) ([^\s=]+)=(\S+)")
def _label(cluster: Cluster, found: "re.Match[str]") -> None:
    kind = {"node": "Node", "namespace": "Namespace"}[found[1]]
    # Where no name is known, a person chooses one.
    name = found[2] if found[2] != "NAME" else {"Node": "gpu-node", "Namespace": "ml"}[kind]
    cluster.of(kind, name)["metadata"].setdefault("labels", {})[found[3]] = found[4]


@step(r"kubectl uncordon (\S+)")
def _uncordon(cluster: Cluster, found: "re.Match[str]") -> None:
    cluster.of("Node", found[1])["spec"].pop("unschedulable", None)


@step(r"kubectl -n gpu-injector scale deployment/gpu-injector --replicas=(\d)")
def _scale(cluster: Cluster, found: "re.Match[str]") -> None:
    deployment = cluster.of("Deployment", "gpu-injector")
    deployment["spec"]["replicas"] = deployment["status"]["readyReplicas"] = int(found[1])


@step(r"kubectl patch (\S+)webhookconfiguration (\S+) --type=json -p '(.*?)'")
def _patch(cluster: Cluster, found: "re.Match[str]") -> None:
    kind = f"{found[1].capitalize()}WebhookConfiguration"
    cluster.add(jsonpatch.JsonPatch(json.loads(found[3])).apply(cluster.of(kind, found[2])))
    _install(cluster, found)


@step(r"^helm install gpu-injector deploy/chart ")
@step(r"^apply again what you installed: ")
@step(r"^helm -n \S+ upgrade \S+ deploy/chart ")
@step(r"^sed '[^']+' deploy/install.yaml \| kubectl apply -f -")
def _install(cluster: Cluster, _: "re.Match[str]") -> None:
    """Apply the manifest: kubectl merges entries by name, and keeps those of others."""
    for (kind, name), item in healthy().objects.items():
        if kind not in INSTALLED:
            continue
        known = cluster.objects.get((kind, name), {})
        names = {entry["name"] for entry in item.get("webhooks", ())}
        others = [entry for entry in known.get("webhooks", ()) if entry["name"] not in names]
        cluster.add({**item, **({"webhooks": [*item["webhooks"], *others]} if "webhooks" in item else {})})
        for entry in item.get("webhooks", ()):
            # The webhook writes it within a minute.
            entry["clientConfig"]["caBundle"] = write_content(cluster.served, {})["data"]["ca.crt"]


@step(r"kubectl apply -f -   with this manifest:\n(.*)")
def _apply(cluster: Cluster, found: "re.Match[str]") -> None:
    cluster.add(yaml.safe_load(found[1]))


@step(r"^add to the policy[^\n]*:\n(.*)")
def _policy(cluster: Cluster, found: "re.Match[str]") -> None:
    cluster.policy = parse_policy(found[1], "fix")


@step(r"^add (drivers: \[.*\])")
def _drivers(cluster: Cluster, found: "re.Match[str]") -> None:
    cluster.policy = parse_policy(found[1], "fix")


@step(r"^add (\S+) to `bootstrap.namespaces` in the policy")
def _trust(cluster: Cluster, found: "re.Match[str]") -> None:
    names = [*cluster.policy.bootstrap.namespaces, found[1]]
    cluster.policy = parse_policy(json.dumps({"bootstrap": {"namespaces": names}}), "fix")


@step(r"^set NVIDIA_VISIBLE_DEVICES=void")
def _hide(cluster: Cluster, _: "re.Match[str]") -> None:
    for container in cluster.pod["spec"]["containers"][1:]:
        container["env"] = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}]


@step(r"^remove hostUsers: false")
def _no_user_namespace(cluster: Cluster, _: "re.Match[str]") -> None:
    del cluster.pod["spec"]["hostUsers"]


@step(r"^remove runtimeClassName from these pods")
def _no_class(cluster: Cluster, _: "re.Match[str]") -> None:
    del cluster.pod["spec"]["runtimeClassName"]


@step(r"^set PASS_DEVICE_SPECS=true in the plugin's DaemonSet")
def _pass_devices(cluster: Cluster, _: "re.Match[str]") -> None:
    for spec in (cluster.plugin["spec"], cluster.daemon_set["spec"]["template"]["spec"]):
        spec["containers"][0].setdefault("env", []).append({"name": "PASS_DEVICE_SPECS", "value": "true"})


@step(r"kubectl edit runtimeclass (\S+)   \(scheduling.nodeSelector\)")
def _any_node(cluster: Cluster, found: "re.Match[str]") -> None:
    cluster.of("RuntimeClass", found[1]).pop("scheduling", None)


@step(r"^create RuntimeClass (\S+) ")
def _create_class(cluster: Cluster, found: "re.Match[str]") -> None:
    cluster.add(
        {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": found[1]}, "handler": "nvidia"}
    )
