"""Record decisions: one log line each, a metric, and the last decisions."""

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

from webhook.decide.decision import Decision
from webhook.decide.patch import Operation
from webhook.kube.node_affinity import target_node
from webhook.kube.values import items, mapping, text
from webhook.server.admission_review import Review
from webhook.server.metrics import Metrics
from webhook.server.trial import Trial, trial_of

RECENT_DECISIONS = 1000

# A pod's author chooses names before the API server validates them, and as many containers as fit into a request.
# The record of one decision must be small whatever they choose.
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
    """Log a library's messages as one short line: aiohttp writes a traceback for each request that is not HTTP."""
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
    """The record of one decision: names and what we wrote, never a value that the author wrote.

    ``more_operations`` is the number of operations of the patch that are not in the record. ``node`` is the node that
    the DaemonSet controller chose, empty for other pods.
    """

    time: float
    uid: str
    namespace: str
    name: str
    owner: str
    decision: Decision
    duration_seconds: float
    more_operations: int = 0
    trial: Trial = Trial.NONE
    node: str = ""

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
            "needsAttention": self.decision.needs_attention and not self.trial,
            "trial": self.trial,
            "node": self.node,
            "warnings": self.decision.warnings,
            "evidence": self.decision.evidence,
            "operations": self.decision.operations,
            "moreOperations": self.more_operations,
            "durationSeconds": self.duration_seconds,
        }


def record_of(review: Review, decision: Decision, duration_seconds: float) -> Record:
    """Return the record of a decision that was made just now."""
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
        trial=trial_of(review),
        node=_legible(target_node(mapping(review.object.get("spec")))),
    )


def _small(decision: Decision) -> Decision:
    return replace(
        decision,
        operations=tuple(_remembered(decision.operations)),
        evidence=tuple(_legible(line, EVIDENCE_LIMIT) for line in decision.evidence[:EVIDENCE_LINES]),
    )


def _remembered(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Yield the first operations of a patch, up to the limits."""
    left = OPERATIONS_BYTES
    for operation in map(_shown, operations[:OPERATIONS_LIMIT]):
        left -= len(orjson.dumps(operation))
        if left < 0:
            return
        yield operation


def _shown(operation: Operation) -> Operation:
    """Hide the only value that may contain an author's: a variable that was extended."""
    return {**operation, "value": "(not shown)"} if EXTENDED_VARIABLE.search(operation["path"]) else operation


def _controller(metadata: Mapping[str, Any]) -> str:
    owners = (owner for owner in items(metadata.get("ownerReferences")) if owner.get("controller"))
    return next((_legible(f"{_legible(owner.get('kind'))}/{_legible(owner.get('name'))}") for owner in owners), "")


def _legible(value: object, limit: int = NAME_LIMIT) -> str:
    """Return an untrusted text, cut, with invisible characters (controls, overrides of direction) as escapes."""
    shown = text(value)[: limit + 1]
    if not shown.isprintable():
        shown = "".join(map(_visible, shown))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _visible(character: str) -> str:
    return character if character.isprintable() else f"\\u{ord(character):04x}"


@dataclass(frozen=True, slots=True)
class DecisionLog:
    """Records decisions: in the log, in the metrics, and the last ones in memory."""

    log: Log
    metrics: Metrics
    recent: deque[Record] = field(default_factory=lambda: deque(maxlen=RECENT_DECISIONS))

    def template(self, review: Review, decision: Decision) -> None:
        """Log the decision on a pod template."""
        namespace = _legible(review.namespace)
        self.log.info("template", uid=_legible(review.uid), namespace=namespace, decision=decision.word)

    def decided(self, record: Record) -> None:
        """Record one decision."""
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
