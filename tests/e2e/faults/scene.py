"""Where the faults happen: a control plane that may be broken, two replicas, and a road between that may be cut."""

import http.client
import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from certs.secret_content import read_content
from e2e.control_plane import LOOPBACK, ControlPlane, free_port
from e2e.forwarder import Forwarder, forwarding
from e2e.installation import NAME, Webhook, install, running_webhook
from e2e.kubectl import Manifest
from e2e.processes import until
from e2e.replicas import INSTALLATION, Replicas, one_served, two_replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long everything lasts, in seconds, and the options that make the replicas faster."""

    api_server_down: float
    etcd_paused: float
    unreachable: float
    unregistered: float
    uncalled: float  # so long the API server cannot call a replica
    clock_wrong: float
    endpoint_follows: float  # from a replica's end until no new connection is sent to it
    calm: float  # a fault counts as healed after this time without an unpatched pod
    arguments: tuple[str, ...]


REAL = Lengths(
    api_server_down=5,
    etcd_paused=30,
    unreachable=600,
    unregistered=120,
    uncalled=120,
    clock_wrong=120,
    endpoint_follows=2,
    calm=10,
    arguments=("--drain-seconds", "20"),
)
SHORT = Lengths(
    api_server_down=0.5,
    etcd_paused=3,
    unreachable=5,
    unregistered=4,
    uncalled=10,
    clock_wrong=2,
    endpoint_follows=0.5,
    calm=1.5,
    arguments=(
        "--look-seconds",
        "0.5",
        "--settle-seconds",
        "1.5",
        "--drain-seconds",
        "2",
        "--heartbeat-seconds",
        "0.5",
    ),
)


@dataclass
class Scene:
    """The replicas, which a fault may end and start, and ``road``: all that they know of the API server."""

    plane: ControlPlane
    port: int
    replicas: Replicas
    road: Forwarder
    road_url: str
    lengths: Lengths
    later: ExitStack
    clock: Path  # the offset by which one replica's clock is wrong, where one has such a clock
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def start_replica(self, environment: dict[str, str] | None = None) -> None:
        """Start one more replica; it gets connections once it is ready."""
        theirs = replace(self.plane, url=self.road_url)
        name = f"{NAME}-{next(self.numbers)}"
        running = running_webhook(theirs, 0, *self.lengths.arguments, name=name, environment=environment)
        replica = self.later.enter_context(running)
        until(lambda: replica.read("/readyz") == b"ok\n", "the new replica is ready")
        self.replicas.running.append(replica)
        self.replicas.forwarder.endpoints.append(replica.port)

    def forget_replica(self, replica: Webhook) -> None:
        """Send no new connection to a replica."""
        self.replicas.running.remove(replica)
        self.replicas.forwarder.endpoints.remove(replica.port)

    def is_whole(self) -> bool:
        """Whether the Secret is there, and every replica is ready and serves what it holds."""
        try:
            status, secret = self.replicas.api.call("GET", INSTALLATION.secret_path)
            if status != http.HTTPStatus.OK:
                return False
            leaf = read_content(secret).leaf.parse()
            return all(one.read("/readyz") == b"ok\n" and one_served(one) == leaf for one in self.replicas.running)
        except (OSError, http.client.HTTPException):
            return False

    def register(self) -> None:
        """Apply the manifest, as its administrator would again."""
        install(self.plane, self.port)


@contextmanager
def scene(plane: ControlPlane, lengths: Lengths, *objects: Manifest) -> Iterator[Scene]:
    """Install on a control plane that has nothing but these objects, and run two replicas."""
    port, road_port = free_port(), free_port()
    install(plane, port)
    plane.kubectl.apply(objects)
    road_url = f"https://{LOOPBACK}:{road_port}"
    with (
        forwarding(road_port, urlsplit(plane.url).port or 0) as road,
        two_replicas(plane, port, *lengths.arguments, road=road_url) as replicas,
        ExitStack() as later,
    ):
        yield Scene(plane, port, replicas, road, road_url, lengths, later, plane.folder / "clock")


def faketime_library() -> Path:
    """Return Debian's libfaketime, whatever the architecture's folder is called."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
