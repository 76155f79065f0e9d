"""Constant creation of GPU pods, at a pace, with the outcome of each."""

import contextlib
import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from e2e.control_plane import ControlPlane
from e2e.direct_api import DirectApi
from e2e.pods import decision_of, pod

WORKERS = 6
INJECTED = "inject/runtime-class"

# Answers of an API server that starts, stops or lost its etcd: no webhook was involved.
AWAY_STATUSES = (429, 503, 504)
AWAY_MESSAGES = ("not yet ready to handle request", "etcdserver: ", "context deadline exceeded", "connection refused")


@dataclass
class PodLoad:
    """The outcomes of the pods: their decisions, "unpatched" for none; and why others were not created.

    "rejected" is an answer of the API server that a webhook may have caused, "away" is no answer, or the API
    server's error that it could not serve. ``missed`` is when the last pod was not injected.
    """

    namespace: str
    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    missed: float = 0.0
    began: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def total(self) -> int:
        """How many pods were asked for."""
        return self.outcomes.total()

    @property
    def rate(self) -> float:
        """Pods a second, so far."""
        return self.total / (time.monotonic() - self.began)

    def create(self, api: DirectApi) -> None:
        """Create one pod and record its outcome."""
        outcome = self._ask_for_pod(api)
        self.outcomes[outcome] += 1
        if outcome != INJECTED:
            self.missed = time.monotonic()

    def _ask_for_pod(self, api: DirectApi) -> str:
        try:
            status, created = api.call("POST", f"/api/v1/namespaces/{self.namespace}/pods", pod(self.namespace))
        except (OSError, http.client.HTTPException, ValueError):
            return "away"
        if status == 201:
            return decision_of(created) or "unpatched"
        message = str(created.get("message"))
        if status in AWAY_STATUSES or any(text in message for text in AWAY_MESSAGES):
            return "away"
        self.refusals.append(message)
        return "rejected"


@contextlib.contextmanager
def constant_load(plane: ControlPlane, namespace: str, per_second: float) -> Iterator[PodLoad]:
    """Create pods at this pace until the context ends; a worker that is late catches up."""
    load, turns = PodLoad(namespace), itertools.count()

    def work() -> None:
        with DirectApi(plane.kubectl.kubeconfig) as api:
            while not load.stop.is_set():
                due = load.began + next(turns) / per_second
                load.stop.wait(max(0.0, due - time.monotonic()))
                load.create(api)

    workers = [threading.Thread(target=work, name=f"load-{index}") for index in range(WORKERS)]
    for worker in workers:
        worker.start()
    try:
        yield load
    finally:
        load.stop.set()
        for worker in workers:
            worker.join()
