"""How many namespaces have pods that were left alone because a patch like theirs failed: for the metric alone."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from prometheus_client import Gauge

from webhook.decide.decision import Verdict
from webhook.observations.workload_failure import LIFETIME

KINDS = {Verdict.INJECT: "workload-class", Verdict.MOUNT: "workload-mount"}
MAX_NAMESPACES = 1000


class WorkloadSetbacks:
    """The namespaces of the last hour, by kind of patch. No decision reads them; each replica counts its own."""

    def __init__(self, gauge: Gauge, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()
        for kind in KINDS.values():
            gauge.labels(kind).set_function(partial(self.count, kind))

    def note(self, verdict: Verdict, namespace: str) -> None:
        """Note that a pod of a namespace was left alone; ``verdict`` is what it would have got."""
        key = (KINDS[verdict], namespace)
        self._until[key] = self._monotonic() + LIFETIME.total_seconds()
        self._until.move_to_end(key)
        if len(self._until) > MAX_NAMESPACES:
            self._until.popitem(last=False)

    def count(self, kind: str) -> int:
        """Return the namespaces of a kind of patch."""
        now = self._monotonic()
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)
        return sum(found == kind for found, _ in self._until)
