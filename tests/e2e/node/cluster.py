"""A control plane with one real node, in the two set-ups that the tests compare."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from e2e.binaries import Program, Report, build, cache_folder, control_plane_programs, provide
from e2e.control_plane import ControlPlane, control_plane
from e2e.kubectl import Kubectl, Manifest
from e2e.node.cgroups import cgroup_root
from e2e.node.driver import LIBRARIES, Driver
from e2e.node.images import pause_image, plugin_image, probe_images
from e2e.node.kubernetes import NODE, kubelet, proxy, scheduler
from e2e.node.programs import (
    CONTAINERD_1,
    CONTAINERD_2,
    HELM,
    NVIDIA_TOOLKIT,
    device_plugin,
    node_programs,
    plugin_version,
)
from e2e.node.python_image import python_image
from e2e.node.runtime import Runtime, containerd
from e2e.node.sandbox import Sandbox, sandbox, stopped
from e2e.node.story import Story
from e2e.processes import Started

GPU = "nvidia.com/gpu"
GPU_PRESENT = "nvidia.com/gpu.present"
PLUGINS_STATE = "/var/lib/kubelet/device-plugins"
RUNTIME_CLASS = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "nvidia"},
    "handler": "nvidia",
}


@dataclass(frozen=True, slots=True)
class Setup:
    """One kind of cluster.

    Kubernetes' version, containerd with its configuration, whether NVIDIA's tool has changed that, the plugin's
    versions (the main one first), the RuntimeClasses, and the administrator's policy.
    """

    minor: str
    containerd: tuple[Program, ...]
    configuration: str
    plugins: tuple[str, ...]
    by_nvidia_ctk: bool = False
    runtime_classes: tuple[Manifest, ...] = ()
    policy: Mapping[str, object] = field(default_factory=dict)

    @property
    def programs(self) -> tuple[Program, ...]:
        """Return what must be built beside the control plane and the plugins."""
        return (*node_programs(self.minor), *self.containerd, *NVIDIA_TOOLKIT, HELM)


SETUPS = {
    # The incident's: containerd reports no handlers, its default runtime is runc whatever its administrator wrote, and
    # there is no RuntimeClass.
    "1.33": Setup(
        minor="1.33",
        containerd=CONTAINERD_1,
        configuration="containerd-1.7.toml",
        by_nvidia_ctk=True,
        plugins=("0.14", "0.17"),
        # Debian splits the driver into packages; the administrator knows which ones are installed.
        policy={"libraries": [f"{name}.1" for name in LIBRARIES]},
    ),
    "1.37": Setup(
        minor="1.37",
        containerd=CONTAINERD_2,
        configuration="containerd-2.4.toml",
        plugins=("0.19", "0.18"),
        runtime_classes=(RUNTIME_CLASS,),
    ),
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running control plane, and its node with two GPUs."""

    setup: Setup
    plane: ControlPlane
    driver: Driver
    helm: Path
    runtime: Runtime
    kubelet: Started

    @property
    def kubectl(self) -> Kubectl:
        """Return the administrator's kubectl."""
        return self.plane.kubectl

    def story(self, name: str) -> Story:
        """Begin a story of this cluster, which is kept in the logs."""
        return Story(name, self.kubectl, self.runtime.sandbox, self.plane.logs / f"{name}.txt")

    def gpus(self, kind: str = "allocatable") -> str | None:
        """Return how many GPUs the node reports, None if it reports none at all."""
        resources: dict[str, str] = self.kubectl.get(f"node/{NODE}")["status"][kind]
        return resources.get(GPU)

    def show_gpus(self) -> None:
        """Label the node, as NVIDIA's feature discovery or an administrator does."""
        self.kubectl.run("label", "node", NODE, f"{GPU_PRESENT}=true", "--overwrite")

    def hide_gpus(self) -> None:
        """Remove the label."""
        self.kubectl.run("label", "node", NODE, f"{GPU_PRESENT}-")

    def forget_gpus(self) -> None:
        """Restart the kubelet without the state of device plugins: the node offers what registers from now on.

        Otherwise the GPUs of a plugin that ended are in the capacity for five minutes. The kubelet keeps in the node's
        status what it does not know.
        """
        gone = json.dumps({"status": {kind: {GPU: None} for kind in ("capacity", "allocatable")}})
        with stopped(self.kubelet):
            self.runtime.sandbox.run("sh", "-c", f"rm -rf {PLUGINS_STATE}/*")
            self.kubectl.run("patch", "node", NODE, "--subresource=status", "--type=merge", "--patch", gone)


def build_all(setup: Setup, report: Report) -> Mapping[str, Path]:
    """Return the path of every program by name, the plugins by version; build what the cache does not have."""
    programs = dict(provide(control_plane_programs(setup.minor), setup.minor, report))
    programs |= {program.name: build(program, report) for program in setup.programs}
    return programs | {minor: build(device_plugin(minor), report) for minor in setup.plugins}


@contextmanager
def cluster(setup: Setup, programs: Mapping[str, Path], folder: Path) -> Iterator[Cluster]:
    """Run a cluster in a folder until the context ends; its node is Ready when the context begins."""
    logs = folder / "logs"
    (logs / "pods").mkdir(parents=True)
    with ExitStack() as running:
        cgroups = running.enter_context(cgroup_root())
        inside = running.enter_context(sandbox(folder, logs, shared=[folder, cache_folder()]))
        plane = running.enter_context(control_plane(programs, folder / "control-plane", address=inside.machine_address))
        running.enter_context(scheduler(plane, programs, logs))
        driver = _driver(inside, folder)
        _keep_logs(inside, logs / "pods")
        own = {program.name: programs[program.name] for program in setup.programs}
        runtime = running.enter_context(
            containerd(inside, folder, setup.configuration, own, by_nvidia_ctk=setup.by_nvidia_ctk)
        )
        _load_images(runtime, setup, programs, folder)
        agent = running.enter_context(kubelet(plane, inside, folder, cgroup_root=cgroups))
        running.enter_context(proxy(plane, inside))
        running.callback(_keep_objects, plane.kubectl, logs / "objects.yaml")
        yield Cluster(setup, plane, driver, programs[HELM.name], runtime, agent)


def _driver(inside: Sandbox, folder: Path) -> Driver:
    driver = Driver(inside.root, folder / "driver")
    driver.install()
    driver.make_devices()
    driver.describe()
    return driver


def _load_images(runtime: Runtime, setup: Setup, programs: Mapping[str, Path], folder: Path) -> None:
    plugins = (plugin_image(programs[minor], plugin_version(minor)) for minor in setup.plugins)
    for image in (pause_image(folder / "images"), *probe_images(folder / "images"), python_image(), *plugins):
        runtime.load(image)


def _keep_logs(inside: Sandbox, folder: Path) -> None:
    """Keep the containers' logs after the node has gone."""
    (inside.root / "var/log/pods").mkdir(parents=True, exist_ok=True)
    inside.run("mount", "--bind", folder, "/var/log/pods")


def _keep_objects(kubectl: Kubectl, path: Path) -> None:
    kinds = "nodes,runtimeclasses,pods,daemonsets,deployments,events,mutatingwebhookconfigurations"
    path.write_text(kubectl.attempt("get", kinds, "--all-namespaces", "-o", "yaml").stdout)
