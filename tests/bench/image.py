"""The image of the Dockerfile: what it adds to its base, and how long a replica of it takes to be ready.

Its own files run, as its own user and as in a pod (chroot, a ServiceAccount's token), against a control plane. What a
kubelet and a container runtime take beside that is not ours.
"""

import http.client
import json
import select
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from e2e.control_plane import LOOPBACK, ControlPlane
from e2e.installation import NAME
from e2e.installed.image import IMAGE, ImageError, build_image, own_buildah

from .plane import installed
from .process import START_SECONDS, Launch, Process, ServerError, running
from .rows import OURS, Bench, Row

PROGRAM = "/opt/venv/bin/gpu-injector"
# In the image `/var/run` is a link to `/run`, which would lead out of it from here.
ACCOUNT = "run/secrets/kubernetes.io/serviceaccount"
# With /proc, as in a container.
INSIDE = 'mount -t proc proc "$0/proc" && exec chroot --userspec=65532:65532 "$0" "$@"'
OPTIONS = ("--host", LOOPBACK, "--port", "0", "--admin-port", "0", "--decisions-port", "0", "--tls-name", LOOPBACK)


def image(bench: Bench) -> Iterator[Row]:
    """Build the image where the end-to-end tests have not done so, weigh it, and start it. Raises ServerError."""
    bench.say("the image")
    try:
        built = build_image(bench.say)
        with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
            seconds = _started(Path(temporary), bench)
    except ImageError as error:
        raise ServerError(str(error)) from error
    yield Row("imageAddedMB", "MB that the image adds to its base", {OURS: [(built.size - built.base_size) / 1e6]})
    yield Row("imageReadySeconds", "s from the image's start to ready", {OURS: seconds}, "{:,.2f}")


def _started(folder: Path, bench: Bench) -> Sequence[float]:
    with installed(folder, bench) as (plane, _), own_buildah().mounted(IMAGE) as root:
        _give_account(plane, root / ACCOUNT)
        command = ("unshare", "--mount", "sh", "-c", INSIDE, str(root), PROGRAM, "serve", *OPTIONS)
        launch = Launch(command, plane.certificate_authority, _ready, _environment(plane))
        return [_once(launch, folder) for _ in range(bench.runs)]


def _once(launch: Launch, folder: Path) -> float:
    with running(launch, folder) as server:
        return server.ready_seconds


def _give_account(plane: ControlPlane, folder: Path) -> None:
    """Write what the kubelet mounts into a pod."""
    folder.mkdir(parents=True)
    (folder / "token").write_text(plane.kubectl.token(NAME, NAME))
    (folder / "ca.crt").write_bytes(plane.certificate_authority.read_bytes())
    (folder / "namespace").write_text(NAME)


def _environment(plane: ControlPlane) -> Mapping[str, str]:
    address = urlsplit(plane.url)
    return {
        "KUBERNETES_SERVICE_HOST": str(address.hostname),
        "KUBERNETES_SERVICE_PORT": str(address.port),
        "POD_NAMESPACE": NAME,
    }


def _ready(process: Process) -> int:
    """Wait until ``/readyz`` says yes; return the port of the probes. Raises ServerError."""
    line = ""
    if process.stdout and select.select([process.stdout], [], [], START_SECONDS)[0]:
        line = process.stdout.readline()
    if not line:
        raise ServerError("the image does not say where it listens")
    port: int = json.loads(line)["adminPort"]
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if _status(port) == http.client.OK:
            return port
        time.sleep(0.005)
    raise ServerError("the image does not become ready")


def _status(port: int) -> int:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=START_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    finally:
        connection.close()
