"""Constant creation of GPU pods, at a pace, and what became of each."""

import contextlib
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


@dataclass
class PodLoad:
    """What became of the pods: their decisions, "unpatched" for none, and "refused" for pods that were not created."""

    namespace: str
    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
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
        """Create one pod and note what became of it."""
        status, created = api.call("POST", f"/api/v1/namespaces/{self.namespace}/pods", pod(self.namespace))
        if status != 201:
            self.outcomes["refused"] += 1
            self.refusals.append(str(created.get("message")))
        else:
            self.outcomes[decision_of(created) or "unpatched"] += 1


@contextlib.contextmanager
def constant_load(plane: ControlPlane, namespace: str, per_second: float) -> Iterator[PodLoad]:
    """Create pods at this pace until the context ends; a worker that is late catches up."""
    load, turns = PodLoad(namespace), itertools.count()

    def work() -> None:
        with DirectApi(plane) as api:
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
