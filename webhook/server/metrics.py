"""The metrics of the server, by name and meaning."""

from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

# The field of Metrics, the kind, the name, the meaning and the labels of each metric.
METRICS: tuple[tuple[str, type[Counter | Gauge | Histogram], str, str, tuple[str, ...]], ...] = (
    (
        "requests",
        Counter,
        "controller_runtime_webhook_requests",
        "Admission requests by path and HTTP status code.",
        ("webhook", "code"),
    ),
    (
        "latency",
        Histogram,
        "controller_runtime_webhook_latency_seconds",
        "Time from a request's head to its answer.",
        ("webhook",),
    ),
    (
        "in_flight",
        Gauge,
        "controller_runtime_webhook_requests_in_flight",
        "Admission requests that are being served.",
        ("webhook",),
    ),
    ("decisions", Counter, "gpu_injector_decisions", "Decisions by verdict and reason.", ("verdict", "reason")),
    (
        "patches_refused",
        Counter,
        "gpu_injector_patches_refused",
        "Patches that did not apply in-process and were not sent: each is a bug of ours.",
        (),
    ),
    (
        "view_age",
        Gauge,
        "gpu_injector_view_age_seconds",
        "Time since the oldest watched kind was last known current.",
        (),
    ),
    (
        "blind_plugin_pods",
        Gauge,
        "gpu_injector_blind_plugin_pods",
        "Plugin pods that find no GPU and would find one if re-created. Every replica counts all of them.",
        (),
    ),
    (
        "setbacks",
        Gauge,
        "gpu_injector_setbacks",
        "Recipes for plugin pods that failed on a node and are not applied there, by how they failed.",
        ("kind",),
    ),
    (
        "releases",
        Counter,
        "gpu_injector_releases",
        "Plugin pods that this replica deleted once, because our patch kept them from starting.",
        (),
    ),
    (
        "leader",
        Gauge,
        "gpu_injector_leader",
        "1 on the replica that holds the Lease. Without one, decisions go on with the last stored state.",
        (),
    ),
    (
        "evictions",
        Counter,
        "gpu_injector_evictions",
        "Blind plugin pods that this replica asked to evict, by the answer (evicted, refused).",
        ("answer",),
    ),
)


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
        made: dict[str, Any] = {
            field: kind(name, meaning, labels, registry=registry) for field, kind, name, meaning, labels in METRICS
        }
        return cls(registry=registry, **made)
