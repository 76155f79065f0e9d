"""NVIDIA's runtime as the node's default: written in the incident's configuration, and without effect there."""

from pathlib import Path

from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.plugin import Given, installed, release_of
from e2e.node.runtime import CONFIG_FILE
from e2e.node.sandbox import Sandbox
from e2e.node.setups import ON_1_33
from e2e.processes import started, until

WRITTEN = "grep -E 'imports|default_runtime_name' /etc/containerd/config.toml"
IN_FORCE = "containerd config dump | grep default_runtime_name"
DROP_IN = "cat /etc/containerd/conf.d/99-nvidia.toml"
AGAIN = "nvidia-ctk runtime configure --runtime=containerd --set-as-default"

# Seems to be enough to configure NVIDIA's runtime in a drop-in.
PATH_ALONE = """
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
  BinaryName = "/usr/bin/nvidia-container-runtime"
"""
REFUSED = "failed to load plugin io.containerd.grpc.v1.cri"


def setting(node: Sandbox, name: str, config: Path = CONFIG_FILE) -> set[str]:
    """Return the values of a setting of CRI's ``containerd`` table, as containerd itself reads its configuration."""
    dump = node.run("containerd", f"--config={config}", "config", "dump")
    table = dump.partition('[plugins."io.containerd.grpc.v1.cri".containerd]')[2].partition("image_decryption")[0]
    lines = (line.partition(" = ") for line in table.splitlines())
    return {value.strip('"') for key, _, value in lines if key.strip() == name}


@ON_1_33
def test_the_drop_in_takes_the_default_away(on_node: Cluster) -> None:
    """It replaces the whole table of the CRI plugin, and NVIDIA's tool writes it without the default."""
    story, runtime = on_node.story("default-runtime"), on_node.runtime
    for line in (WRITTEN, DROP_IN, IN_FORCE):
        story.type(line)
    assert setting(runtime.sandbox, "default_runtime_name") == {"runc"}
    with runtime.changed(runtime.drop_in.unlink):
        assert setting(runtime.sandbox, "default_runtime_name") == {"nvidia"}
        assert_serves_the_plugin(on_node)
    with runtime.changed(lambda: story.type(AGAIN)):
        story.type(IN_FORCE)
        assert setting(runtime.sandbox, "default_runtime_name") == {"nvidia"}
    story.assert_told("docs/incident.md")


@ON_1_33
def test_a_drop_in_with_a_path_alone_leaves_nothing_that_runs(on_node: Cluster) -> None:
    """The default is runc by name, runc is no runtime any more, and NVIDIA's has no type: CRI is not served."""
    node, folder = on_node.runtime.sandbox, on_node.runtime.folder / "path-alone"
    (folder / "conf.d").mkdir(parents=True)
    (folder / "conf.d" / "99-nvidia.toml").write_text(PATH_ALONE)
    config = folder / "config.toml"
    text = (on_node.runtime.configuration / "config.toml").read_text()
    config.write_text(text.replace("/etc/containerd", str(folder)))
    assert setting(node, "default_runtime_name", config) == {"runc"}
    assert setting(node, "runtime_type", config) == {""}
    own = [f"--{name}={folder / name}" for name in ("root", "state", "address")]
    command = node.command("containerd", f"--config={config}", *own)
    with started("containerd-path-alone", command, node.logs, environment=node.environment) as process:
        process.wait_until(lambda: REFUSED in process.log.read_text(), "does not load CRI")


def test_a_default_in_force_serves_the_plugin(on_node: Cluster) -> None:
    """As NVIDIA's tool sets it, on either containerd."""
    on_node.show_gpus()
    with on_node.runtime.nvidia_by_default():
        assert_serves_the_plugin(on_node)


def assert_serves_the_plugin(on_node: Cluster) -> None:
    """Assert that a plugin pod as its author wrote it finds NVML, and that the node offers its GPUs."""
    until(lambda: on_node.gpus() != "2", "the node knows that the plugin before this one is gone")
    with installed(on_node.kubectl, release_of(on_node.setup.plugins[0], on_node.helm)) as plugin:
        pod = plugin.pod(NODE)
        assert plugin.given_to(pod) == Given()
        plugin.wait_for_log(pod, "Registered device plugin")
        until(lambda: on_node.gpus() == "2", "the node offers two GPUs")
