"""A registry with every metric of a replica, as ``serve`` puts it together."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry

from webhook.server.certificate_metrics import CertificateMetrics
from webhook.server.heartbeat_status import HeartbeatStatus
from webhook.server.metrics import Metrics
from webhook.view.live_view import ignore


def registered() -> CollectorRegistry:
    """Return a registry with every metric of a replica."""
    registry = Metrics.create().registry
    CertificateMetrics(registry, ignore)
    HeartbeatStatus().register(registry)
    return registry


def series() -> Iterator[str]:
    """Yield the name of every series that the webhook exports."""
    for metric in registered().collect():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(metric.type, [""])
        yield from (metric.name + ending for ending in endings)
