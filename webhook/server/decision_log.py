"""What is told about the server's work: one log line a decision, metrics, and the last decisions."""

import logging
import re
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from webhook.decide.decision import Decision
from webhook.decide.patch import Operation
from webhook.kube.values import items, mapping, text
from webhook.server.admission_review import Review

RECENT_DECISIONS = 1000

# A pod's author chooses names before the API server validates them, and as many containers as fit into a request.
# What is remembered of one decision must be small whatever they choose.
NAME_LIMIT = 253
EVIDENCE_LIMIT = 300
EVIDENCE_LINES = 20
OPERATIONS_LIMIT = 100
OPERATIONS_BYTES = 12 * 1024

EXTENDED_VARIABLE = re.compile(r"/env/\d+/value$")

Log = structlog.typing.FilteringBoundLogger


def open_log() -> Log:
    """Return the log: JSON lines on stderr, with UTC times."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger()
    _take_over("aiohttp.server", log)
    return log


def _take_over(name: str, log: Log) -> None:
    """Log what a library logs as one short line: aiohttp writes a traceback for each request that is no HTTP."""
    logger = logging.getLogger(name)
    logger.handlers[:], logger.propagate = [_ShortLines(log)], False


class _ShortLines(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        self._log.warning("http", error=kind.__name__ if kind else _legible(record.msg))


@dataclass(frozen=True, slots=True)
class Record:
    """One decision as it is remembered: names and what we wrote, never a value that the author wrote.

    ``more_operations`` are those of the patch beyond the ones that are remembered.
    """

    time: float
    uid: str
    namespace: str
    name: str
    owner: str
    decision: Decision
    duration_seconds: float
    more_operations: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the record as ``/decisions`` shows it; ``time`` is seconds since the epoch."""
        return {
            "time": self.time,
            "uid": self.uid,
            "namespace": self.namespace,
            "name": self.name,
            "owner": self.owner,
            "verdict": self.decision.verdict,
            "reason": self.decision.reason,
            "dryRun": self.decision.dry_run,
            "needsAttention": self.decision.needs_attention,
            "warnings": self.decision.warnings,
            "evidence": self.decision.evidence,
            "operations": self.decision.operations,
            "moreOperations": self.more_operations,
            "durationSeconds": self.duration_seconds,
        }


def record_of(review: Review, decision: Decision, duration_seconds: float) -> Record:
    """Return what is remembered of a decision that was made just now."""
    metadata = mapping(review.object.get("metadata"))
    small = _small(decision)
    return Record(
        time=time.time(),
        uid=_legible(review.uid),
        namespace=_legible(review.namespace),
        name=_legible(metadata.get("name") or metadata.get("generateName") or ""),
        owner=_controller(metadata),
        decision=small,
        duration_seconds=duration_seconds,
        more_operations=len(decision.operations) - len(small.operations),
    )


def _small(decision: Decision) -> Decision:
    return replace(
        decision,
        operations=tuple(_remembered(decision.operations)),
        evidence=tuple(_legible(line, EVIDENCE_LIMIT) for line in decision.evidence[:EVIDENCE_LINES]),
    )


def _remembered(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Yield the first operations of a patch, few and small ones."""
    left = OPERATIONS_BYTES
    for operation in map(_shown, operations[:OPERATIONS_LIMIT]):
        left -= len(orjson.dumps(operation))
        if left < 0:
            return
        yield operation


def _shown(operation: Operation) -> Operation:
    """Hide the one value into which an author's may have gone: a variable that was extended."""
    return {**operation, "value": "(not shown)"} if EXTENDED_VARIABLE.search(operation["path"]) else operation


def _controller(metadata: Mapping[str, Any]) -> str:
    owners = (owner for owner in items(metadata.get("ownerReferences")) if owner.get("controller"))
    return next((_legible(f"{_legible(owner.get('kind'))}/{_legible(owner.get('name'))}") for owner in owners), "")


def _legible(value: object, limit: int = NAME_LIMIT) -> str:
    """Return an untrusted text cut, with what cannot be seen (controls, overrides of direction) as escapes."""
    shown = text(value)[: limit + 1]
    if not shown.isprintable():
        shown = "".join(map(_visible, shown))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _visible(character: str) -> str:
    return character if character.isprintable() else f"\\u{ord(character):04x}"


@dataclass(frozen=True, slots=True)
class Metrics:
    """All metrics, in a registry of their own. The names of the first three are controller-runtime's."""

    registry: CollectorRegistry
    requests: Counter
    latency: Histogram
    in_flight: Gauge
    decisions: Counter
    patches_refused: Counter
    view_age: Gauge
    blind_plugin_pods: Gauge
    evictions: Counter
    setbacks: Gauge
    releases: Counter
    leader: Gauge

    @classmethod
    def create(cls) -> "Metrics":
        """Register every metric, and those of the process (memory, CPU, open files)."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        return cls(
            registry=registry,
            requests=Counter(
                "controller_runtime_webhook_requests",
                "Admission requests by path and HTTP status code.",
                ("webhook", "code"),
                registry=registry,
            ),
            latency=Histogram(
                "controller_runtime_webhook_latency_seconds",
                "Time from a request's head to its answer.",
                ("webhook",),
                registry=registry,
            ),
            in_flight=Gauge(
                "controller_runtime_webhook_requests_in_flight",
                "Admission requests that are being served.",
                ("webhook",),
                registry=registry,
            ),
            decisions=Counter(
                "gpu_injector_decisions", "Decisions by verdict and reason.", ("verdict", "reason"), registry=registry
            ),
            patches_refused=Counter(
                "gpu_injector_patches_refused",
                "Patches that did not apply in-process and were not sent: each is a bug of ours.",
                registry=registry,
            ),
            view_age=Gauge(
                "gpu_injector_view_age_seconds",
                "Time since the oldest watched kind was last known current.",
                registry=registry,
            ),
            blind_plugin_pods=Gauge(
                "gpu_injector_blind_plugin_pods",
                "Plugin pods that find no GPU and would if they were made again. Every replica counts all of them.",
                registry=registry,
            ),
            setbacks=Gauge(
                "gpu_injector_setbacks",
                "Patches that failed and are not repeated: recipes for plugin pods by how they failed, on nodes; "
                "workload-class and workload-mount count namespaces of this replica's last hour.",
                ("kind",),
                registry=registry,
            ),
            releases=Counter(
                "gpu_injector_releases",
                "Plugin pods that this replica deleted once, because our patch kept them from starting.",
                registry=registry,
            ),
            leader=Gauge(
                "gpu_injector_leader",
                "1 on the replica that holds the Lease. Without one, decisions go on with the last stored state.",
                registry=registry,
            ),
            evictions=Counter(
                "gpu_injector_evictions",
                "Blind plugin pods that this replica asked to evict, by the answer (evicted, refused).",
                ("answer",),
                registry=registry,
            ),
        )


@dataclass(frozen=True, slots=True)
class Observer:
    """Where a decision is told: log, metrics, and the memory of the last ones."""

    log: Log
    metrics: Metrics
    recent: deque[Record] = field(default_factory=lambda: deque(maxlen=RECENT_DECISIONS))

    def template(self, review: Review, decision: Decision) -> None:
        """Log the decision on a pod template."""
        namespace = _legible(review.namespace)
        self.log.info("template", uid=_legible(review.uid), namespace=namespace, decision=decision.word)

    def decided(self, record: Record) -> None:
        """Tell one decision."""
        decision = record.decision
        self.metrics.decisions.labels(decision.verdict, decision.reason).inc()
        self.recent.append(record)
        self.log.info(
            "decided",
            uid=record.uid,
            namespace=record.namespace,
            name=record.name,
            owner=record.owner,
            verdict=decision.verdict,
            reason=decision.reason,
            dryRun=decision.dry_run,
            operations=len(decision.operations) + record.more_operations,
            warnings=decision.warnings,
            evidence=decision.evidence,
            durationMs=round(record.duration_seconds * 1000, 3),
        )
