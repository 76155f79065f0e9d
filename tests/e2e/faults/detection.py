"""Watches the replicas' metrics during a fault, until one reports that the API server does not call the webhook."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from e2e.faults.scene import Scene
from e2e.installation import Webhook

LOOK_SECONDS = 0.5


@dataclass
class Watch:
    """When a replica first reported the fault, in seconds of the monotonic clock; 0 if none did."""

    found_at: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, scene: Scene) -> None:
        """Look until a replica reports it, or the fault is over."""
        while not self.over.wait(LOOK_SECONDS):
            if is_reported(scene):
                self.found_at = time.monotonic()
                return


def is_reported(scene: Scene) -> bool:
    """Say whether a replica reports that the API server does not call the webhook."""
    return any(_reports(replica) for replica in tuple(scene.replicas.running))


def _reports(replica: Webhook) -> bool:
    try:
        missed = replica.metric("gpu_injector_heartbeat", state="missed")
        return bool(missed or replica.metric("gpu_injector_registration_drift"))
    except (OSError, http.client.HTTPException):
        return False


@contextmanager
def watching(scene: Scene) -> Iterator[Watch]:
    """Watch in a thread until the context ends."""
    watch = Watch()
    thread = threading.Thread(target=watch.run, args=(scene,), name="detection")
    thread.start()
    try:
        yield watch
    finally:
        watch.over.set()
        thread.join()
