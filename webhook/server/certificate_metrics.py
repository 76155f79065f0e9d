"""Metrics of the certificate: when it expires, which entries trust it, and what the controller did."""

import math
from datetime import datetime
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from certs.state_events import OnChange
from certs.tls_context import CertificateSource
from certs.webhook_configs import REGISTRATION_STATES
from webhook.server.heartbeat_status import HeartbeatStatus

CERTIFICATE_REFUSED = "certificate-refused"


class CertificateMetrics:
    """The certificate's metrics. It counts the events of the certificate's source, and passes them on.

    ``refusals`` is the number of TLS handshakes in which a client refused our certificate.
    The source's state is read at each scrape, once there is a source.
    """

    def __init__(self, registry: CollectorRegistry, pass_on: OnChange) -> None:
        self._pass_on = pass_on
        self.refusals = 0
        self._expiry = Gauge(
            "gpu_injector_certificate_expiry_timestamp_seconds",
            "When the served certificate (leaf) and its issuer (ca) expire, in seconds since the epoch.",
            ("certificate",),
            registry=registry,
        )
        self._registration = Gauge(
            "gpu_injector_registration",
            "What the webhook's registrations hold as the last look found it: the state that is true is 1.",
            ("state",),
            registry=registry,
        )
        self._foreign_entries = Gauge(
            "gpu_injector_registration_foreign_entries",
            "Entries of the webhook's own registrations that lead elsewhere: a stolen token may have added them.",
            registry=registry,
        )
        self._events = Counter(
            "gpu_injector_certificate_events",
            "Changes of the certificate's state that were logged.",
            ("event",),
            registry=registry,
        )
        self._failures = Counter(
            "gpu_injector_tls_handshake_failures",
            "Failed TLS handshakes: certificate-refused is a client, such as the API server, that does not trust it.",
            ("reason",),
            registry=registry,
        )
        for reason in (CERTIFICATE_REFUSED, "other"):
            self._failures.labels(reason)

    def follow(self, provider: CertificateSource, heartbeat: HeartbeatStatus | None = None) -> None:
        """Show a provider's state from now on. The heartbeat knows of foreign entries if the provider does not."""
        self._expiry.labels("leaf").set_function(lambda: _timestamp(provider.status.leaf_expires))
        self._expiry.labels("ca").set_function(lambda: _timestamp(provider.status.authority_expires))
        self._foreign_entries.set_function(partial(_foreign, provider, heartbeat))
        for state in REGISTRATION_STATES:
            self._registration.labels(state).set_function(partial(_is_in, state, provider))

    def __call__(self, event: str, /, **facts: object) -> None:
        """Count an event of the source, and pass it on."""
        self._events.labels(event).inc()
        self._pass_on(event, **facts)

    def handshake_failed(self, reason: str) -> None:
        """Count a handshake that failed."""
        self.refusals += reason == CERTIFICATE_REFUSED
        self._failures.labels(reason).inc()


def _is_in(state: str, provider: CertificateSource) -> float:
    return float(provider.status.registration == state)


def _foreign(provider: CertificateSource, heartbeat: HeartbeatStatus | None) -> float:
    found = provider.status.foreign_entries
    if found is None and heartbeat is not None:
        found = heartbeat.foreign_entries
    return math.nan if found is None else found


def _timestamp(moment: datetime | None) -> float:
    return moment.timestamp() if moment else math.nan
