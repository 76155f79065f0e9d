"""The name of the node's system, which decides where its driver is looked for.

The machine of the tests is a Debian. On a real Debian the driver's links lead through ``/etc/alternatives``, so that no
driver root is used there. The stand-in driver has plain links, as Ubuntu's packages have.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.processes import until

UBUNTU = "Ubuntu 24.04.3 LTS"


@contextmanager
def named(on_node: Cluster, name: str) -> Iterator[None]:
    """Let the kubelet report another system until the context ends; it reads the file at each report."""
    path = on_node.runtime.sandbox.root / "etc/os-release"
    before = path.read_text()
    path.unlink()
    path.write_text(f'PRETTY_NAME="{name}"\n')
    try:
        until(lambda: os_image(on_node) == name, f"the node reports {name}")
        yield
    finally:
        path.write_text(before)
        until(lambda: os_image(on_node) != name, "the node reports its own system")


def os_image(on_node: Cluster) -> str:
    """Return the name of the system that the node reports."""
    name: str = on_node.kubectl.get(f"node/{NODE}")["status"]["nodeInfo"]["osImage"]
    return name
