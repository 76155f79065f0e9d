"""NVIDIA's device plugin, installed as its users do: by NVIDIA's manifest, or by NVIDIA's chart.

Both come with the plugin's sources. Only the image's name differs: an administrator without internet has mirrored it.
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.kubectl import Kubectl, as_list
from e2e.node.images import plugin_image_name
from e2e.node.programs import plugin_sources, plugin_version
from e2e.pods import decision_of, runtime_class_of
from e2e.processes import until

NAMESPACE = "kube-system"
CONTAINER = "nvidia-device-plugin-ctr"
WITH_MANIFEST = ("0.14", "0.17")
STATIC_MANIFESTS = ("nvidia-device-plugin.yml", "deployments/static/nvidia-device-plugin.yml")


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the plugin, ready to be applied: its objects, and the name of its DaemonSet."""

    version: str
    manifests: tuple[Mapping[str, Any], ...]
    daemon_set: str


@dataclass(frozen=True, slots=True)
class Given:
    """The parts of a plugin's pod that its author did not write; ``host_paths`` are the host's files and folders."""

    decision: str | None = None
    runtime_class: str | None = None
    privileged: bool = False
    host_paths: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed plugin."""

    kubectl: Kubectl
    release: Release

    @property
    def daemon_set(self) -> dict[str, Any]:
        """Return its DaemonSet as it is now."""
        return self.kubectl.get(f"daemonset/{self.release.daemon_set}", f"--namespace={NAMESPACE}")

    def pod(self, node: str, *, instead_of: str = "", seconds: float = 60) -> dict[str, Any]:
        """Wait for its pod on a node, other than the one with the given uid, and return it."""

        def found() -> dict[str, Any]:
            owned = (pod for pod in self._pods() if pod["spec"].get("nodeName") == node)
            alive = (pod for pod in owned if "deletionTimestamp" not in pod["metadata"])
            return next((pod for pod in alive if pod["metadata"]["uid"] != instead_of), {})

        return until(found, f"a pod of {self.release.daemon_set} on {node}", seconds=seconds)

    def given_to(self, pod: Mapping[str, Any]) -> Given:
        """Return what one of its pods was given."""
        author = self.daemon_set["spec"]["template"]["spec"]
        container = next(one for one in pod["spec"]["containers"] if one["name"] == CONTAINER)
        return Given(
            decision_of(pod),
            runtime_class_of(pod),
            bool(container.get("securityContext", {}).get("privileged")),
            _host_paths(pod["spec"]) - _host_paths(author),
        )

    def event(self, part: str) -> dict[str, Any]:
        """Wait until an Event about its DaemonSet has a text in its message, and return the Event."""
        about = f"involvedObject.kind=DaemonSet,involvedObject.uid={self.daemon_set['metadata']['uid']}"

        def told() -> dict[str, Any]:
            events = self.kubectl.get("events", f"--namespace={NAMESPACE}", f"--field-selector={about}")["items"]
            return next((event for event in events if part in event["message"]), {})

        return until(told, f"an Event about {self.release.daemon_set} with {part!r}")

    def log(self, pod: Mapping[str, Any]) -> str:
        """Return the log of its current container or, between two starts, of the previous one."""
        name = pod["metadata"]["name"]
        return self.kubectl.attempt("logs", f"--namespace={NAMESPACE}", name, f"--container={CONTAINER}").stdout

    def wait_for_log(self, pod: Mapping[str, Any], *parts: str) -> str:
        """Wait until one container has logged all of some texts, and return its log."""

        def logged() -> str:
            log = self.log(pod)
            return log if all(part in log for part in parts) else ""

        return until(logged, f"{' and '.join(parts)} in the log of {pod['metadata']['name']}", seconds=30)

    def wait_for_state(self, pod: Mapping[str, Any], state: str) -> None:
        """Wait until its container is ``running``, or ``waiting`` to be started again."""
        name = pod["metadata"]["name"]

        def reached() -> bool:
            status = self.kubectl.get(f"pod/{name}", f"--namespace={NAMESPACE}")["status"]
            return any(state in container["state"] for container in status.get("containerStatuses", ()))

        until(reached, f"the container of {name} is {state}", seconds=30)

    def restart(self) -> None:
        """Let the DaemonSet controller re-create its pods, as an administrator does."""
        target = f"daemonset/{self.release.daemon_set}"
        self.kubectl.run("rollout", "restart", target, f"--namespace={NAMESPACE}")

    def _pods(self) -> list[dict[str, Any]]:
        uid = self.daemon_set["metadata"]["uid"]
        pods: list[dict[str, Any]] = self.kubectl.get("pods", f"--namespace={NAMESPACE}")["items"]
        return [pod for pod in pods if uid in {owner["uid"] for owner in pod["metadata"].get("ownerReferences", ())}]


def _host_paths(spec: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(volume["hostPath"]["path"] for volume in spec.get("volumes", ()) if "hostPath" in volume)


def release_of(minor: str, helm: Path) -> Release:
    """Return what a user installs for this version: NVIDIA's manifest for older ones, the chart for newer ones."""
    return static_release(minor) if minor in WITH_MANIFEST else chart_release(minor, helm)


def static_release(minor: str) -> Release:
    """Return what NVIDIA's manifest of this version installs."""
    paths = (plugin_sources(minor) / name for name in STATIC_MANIFESTS)
    text = next(path for path in paths if path.exists()).read_text()
    version = plugin_version(minor)
    manifests = tuple(_mirrored(document, version) for document in yaml.safe_load_all(text) if document)
    return Release(version, manifests, _daemon_set_of(manifests))


def chart_release(minor: str, helm: Path) -> Release:
    """Return what NVIDIA's chart of this version renders."""
    version = plugin_version(minor)
    repository, _, _ = plugin_image_name(version).rpartition(":")
    chart = plugin_sources(minor) / "deployments" / "helm" / "nvidia-device-plugin"
    values = ("--set", f"image.repository={repository}")
    command = (helm, "template", "nvidia-device-plugin", chart, "--namespace", NAMESPACE, *values)
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    manifests = tuple(document for document in yaml.safe_load_all(text) if document)
    return Release(version, manifests, _daemon_set_of(manifests))


@contextmanager
def installed(kubectl: Kubectl, release: Release) -> Iterator[Plugin]:
    """Install the plugin, and remove it with all its pods when the context ends."""
    kubectl.apply(release.manifests)
    try:
        yield Plugin(kubectl, release)
    finally:
        kubectl.run("delete", "--cascade=foreground", "-f", "-", stdin=as_list(release.manifests))


def _mirrored(document: dict[str, Any], version: str) -> Mapping[str, Any]:
    if document["kind"] == "DaemonSet":
        for container in document["spec"]["template"]["spec"]["containers"]:
            container["image"] = plugin_image_name(version)
    return document


def _daemon_set_of(manifests: tuple[Mapping[str, Any], ...]) -> str:
    """Return the name of the DaemonSet that is the plugin; the chart has others, for what shares GPUs."""
    daemon_sets = (document for document in manifests if document["kind"] == "DaemonSet")
    return next(str(one["metadata"]["name"]) for one in daemon_sets if _is_plugin(one))


def _is_plugin(daemon_set: Mapping[str, Any]) -> bool:
    containers = daemon_set["spec"]["template"]["spec"]["containers"]
    return any(container["name"] == CONTAINER for container in containers)
