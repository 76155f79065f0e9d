"""cert-manager's own controllers, beside the API server and not in pods: what they write is the same.

1.11 is the last version whose main module has its programs; later ones have modules that no proxy of Go's serves. The
API (``cert-manager.io/v1``, and the annotation for the caBundle) is today's.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from e2e.binaries import Program, Report, build, module_sources
from e2e.control_plane import LOOPBACK, ControlPlane
from e2e.kubectl import Manifest, as_list
from e2e.processes import started

MODULE = "cert-manager"
SOURCES = "github.com/cert-manager/cert-manager"
CONTROLLER, CA_INJECTOR = (
    Program(f"cert-manager-{name}", MODULE, f"{SOURCES}/cmd/{name}") for name in ("controller", "cainjector")
)


def build_cert_manager(report: Report) -> None:
    """Build what the cache does not have. Raises BuildError."""
    for program in (CONTROLLER, CA_INJECTOR):
        build(program, report)


@contextmanager
def cert_manager(plane: ControlPlane, logs: Path) -> Iterator[None]:
    """Run cert-manager, its kinds included, until the context ends."""
    kinds = list(_kinds())
    # Too large for the annotation that a plain apply writes.
    plane.kubectl.run("apply", "--server-side", "-f", "-", stdin=as_list(kinds))
    names = [f"crd/{kind['metadata']['name']}" for kind in kinds]
    plane.kubectl.run("wait", "--for=condition=Established", *names)
    own = (f"--kubeconfig={plane.kubectl.kubeconfig}", "--leader-elect=false")
    flags = {CONTROLLER: (f"--metrics-listen-address={LOOPBACK}:0",), CA_INJECTOR: ()}
    with ExitStack() as running:
        for program, more in flags.items():
            path = build(program, lambda _: None)
            running.enter_context(started(program.name, [path, *own, *more], logs))
        yield
    plane.kubectl.run("delete", *names)


def _kinds() -> Iterator[Manifest]:
    """Read the kinds as cert-manager's chart has them, without the labels that Helm would fill in."""
    for path in sorted((module_sources(MODULE, SOURCES) / "deploy/crds").glob("crd-*.yaml")):
        kind = yaml.safe_load(path.read_text())
        del kind["metadata"]["labels"]
        yield kind
