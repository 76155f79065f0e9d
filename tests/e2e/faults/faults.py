"""The faults: the context of each begins when the fault is over, and ends when the cluster has repaired it.

So a killed replica's fault is over at once; that its endpoint goes and a new one starts is the healing.
"""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from certs.certificate import write_certificates
from certs.rotation import Schedule
from certs.rotation_steps import create
from e2e.direct_api import MERGE_PATCH
from e2e.faults.scene import Scene, faketime_library
from e2e.installation import NAME, Webhook
from e2e.processes import until
from e2e.replicas import INSTALLATION

# A replica that wrote too often writes once in five minutes.
HEALED_WITHIN_SECONDS = 360
RIGHT = "+0"
REGISTRATION = INSTALLATION.registration_path("mutatingwebhookconfigurations")
OVERWRITTEN_SECONDS = 1


@contextmanager
def api_server_restarted(scene: Scene) -> Iterator[None]:
    """Kill -9, and a new process a little later: with SIGTERM it would wait half a minute for its watches to end."""
    scene.plane.api_server.kill()
    time.sleep(scene.lengths.api_server_down)
    scene.plane.api_server.start()
    yield


@contextmanager
def etcd_paused(scene: Scene) -> Iterator[None]:
    """SIGSTOP: the API server's connections stay open, and nothing is answered."""
    with scene.plane.etcd.paused():
        time.sleep(scene.lengths.etcd_paused)
    yield


@contextmanager
def api_server_unreachable(scene: Scene) -> Iterator[None]:
    """Drop the replicas' packets to the API server; its calls to them, and users' requests to it, arrive."""
    scene.road.swallows = True
    try:
        time.sleep(scene.lengths.unreachable)
    finally:
        scene.road.swallows = False
    yield


@contextmanager
def replica_killed(scene: Scene) -> Iterator[None]:
    """Kill -9: its endpoint goes a little later, and a new one starts."""
    victim = scene.replicas.running[0]
    victim.process.kill()
    yield
    time.sleep(scene.lengths.endpoint_follows)
    scene.forget_replica(victim)
    scene.start_replica()


@contextmanager
def replicas_rolled(scene: Scene) -> Iterator[None]:
    """As a Deployment does it: for each, a new one first."""
    for old in tuple(scene.replicas.running):
        scene.start_replica()
        end(scene, old)
    yield


@contextmanager
def authority_rotated(scene: Scene) -> Iterator[None]:
    """As `certs rotate` asks for it."""
    before = scene.replicas.material()
    scene.replicas.ask("graceful")
    until(
        lambda: scene.replicas.rotated(before, *scene.replicas.running),
        "both replicas serve a leaf of the new authority",
        seconds=HEALED_WITHIN_SECONDS,
    )
    yield


@contextmanager
def secret_deleted(scene: Scene) -> Iterator[None]:
    """Delete CA and certificate; only the replicas restore them."""
    status, answer = scene.replicas.api.call("DELETE", INSTALLATION.secret_path)
    assert status == 200, answer
    yield


@contextmanager
def registration_deleted(scene: Scene) -> Iterator[None]:
    """Delete the registration of the webhooks; the manifest that brings it back has no caBundle."""
    scene.plane.kubectl.run("delete", "mutatingwebhookconfiguration", NAME)
    time.sleep(scene.lengths.unregistered)
    scene.register()
    yield


@contextmanager
def endpoints_gone(scene: Scene) -> Iterator[None]:
    """Take every endpoint from the Service: connections of the API server end at once."""
    endpoints = scene.replicas.forwarder.endpoints
    taken = [endpoints.pop() for _ in range(len(endpoints))]
    scene.replicas.forwarder.cut()
    time.sleep(scene.lengths.uncalled)
    endpoints += taken
    yield


@contextmanager
def firewalled(scene: Scene) -> Iterator[None]:
    """Drop the packets of the API server to the replicas; what they send to the API server arrives."""
    scene.replicas.forwarder.swallows = True
    try:
        time.sleep(scene.lengths.uncalled)
    finally:
        scene.replicas.forwarder.swallows = False
    yield


@contextmanager
def bundle_overwritten(scene: Scene) -> Iterator[None]:
    """Let another program write its own caBundle again and again, whatever the replicas write."""
    other = base64.b64encode(write_certificates(create(("x",), datetime.now(UTC), Schedule()).bundle)).decode()
    over = time.monotonic() + scene.lengths.uncalled
    while time.monotonic() < over:
        entries = scene.replicas.api.get(REGISTRATION)["webhooks"]
        for entry in entries:
            entry["clientConfig"]["caBundle"] = other
        scene.replicas.api.call("PATCH", REGISTRATION, {"webhooks": entries}, MERGE_PATCH)
        time.sleep(OVERWRITTEN_SECONDS)
    yield


@contextmanager
def clock_jumped(offset: str, scene: Scene) -> Iterator[None]:
    """Move the clock of one replica, whose process has the library that reads the offset, and set it right again."""
    scene.clock.write_text(offset)
    time.sleep(scene.lengths.clock_wrong)
    scene.clock.write_text(RIGHT)
    yield


def nothing(scene: Scene) -> None:
    """Most faults need no preparation."""


def replica_with_a_clock(scene: Scene) -> None:
    """Replace a replica by one whose clock can be moved, where there is none yet."""
    if scene.clock.exists():
        return
    old = scene.replicas.running[0]
    scene.clock.write_text(RIGHT)
    scene.start_replica(
        {
            "LD_PRELOAD": str(faketime_library()),
            "FAKETIME_TIMESTAMP_FILE": str(scene.clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )
    end(scene, old)


def end(scene: Scene, replica: Webhook) -> None:
    """End a replica as the kubelet does; its endpoint goes a little later, and until then it answers."""
    replica.process.process.terminate()
    time.sleep(scene.lengths.endpoint_follows)
    scene.forget_replica(replica)
    assert replica.process.process.wait(60) == 0


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault's name in the table, what it is, what is prepared before the load, and whether pods may be missed.

    ``is_detected``: does the heartbeat report it? It does not report what ends before two heartbeats are missed.
    """

    name: str
    happen: Callable[[Scene], AbstractContextManager[None]]
    prepare: Callable[[Scene], None] = nothing
    misses_pods: bool = False
    is_detected: bool = False


FAULTS = (
    Fault("API server restarted", api_server_restarted),
    Fault("etcd paused", etcd_paused),
    Fault("API server unreachable for both replicas", api_server_unreachable, misses_pods=True),
    Fault("a replica killed (`kill -9`)", replica_killed, misses_pods=True),
    Fault("both replicas rolled", replicas_rolled),
    Fault("CA rotated", authority_rotated),
    Fault("certificate Secret deleted", secret_deleted),
    Fault("registration deleted, applied again", registration_deleted, misses_pods=True, is_detected=True),
    Fault("Service without endpoints", endpoints_gone, misses_pods=True, is_detected=True),
    Fault("API server's packets to the replicas dropped", firewalled, misses_pods=True, is_detected=True),
    Fault("caBundle overwritten again and again", bundle_overwritten, misses_pods=True, is_detected=True),
    Fault("a replica's clock 30 minutes ahead", partial(clock_jumped, "+30m"), replica_with_a_clock),
    Fault("a replica's clock 100 days ahead", partial(clock_jumped, "+100d"), replica_with_a_clock, misses_pods=True),
)
