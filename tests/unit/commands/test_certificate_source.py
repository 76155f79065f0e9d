"""Which certificate `serve` presents, and what a scrape tells of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from support.certificate_secrets import NOW
from support.memory_api import MemoryApi

from certs.controller import CertificateController
from certs.mounted_files import MountedFiles
from certs.rotation import Schedule
from certs.tls_context import LiveTls, Status
from webhook.commands.serve.certificate_source import CertificateOptions, provider
from webhook.commands.shared.input_files import InputError
from webhook.server.certificate_metrics import CertificateMetrics

DEFAULTS: dict[str, Any] = {
    "cert_dir": None,
    "tls_names": (),
    "leaf_days": 90,
    "ca_days": 365,
    "look_seconds": 50,
    "settle_seconds": 60,
}


def options(**changes: Any) -> CertificateOptions:  # noqa: ANN401 - any option
    """Return the options' defaults, but for the changes."""
    return CertificateOptions(**DEFAULTS | changes)


def unheard(_event: str, /, **_facts: object) -> None:
    """Take note of nothing."""


def test_the_options_defaults_are_the_schedules() -> None:
    """What the command line shows as defaults is what the package was tested with."""
    assert options().schedule == Schedule()


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"leaf_days": 366}, "no certificate outlives its CA"), ({"tls_names": ("a b",)}, "--tls-name")],
)
def test_options_that_cannot_be_kept_are_refused(changes: dict[str, Any], why: str) -> None:
    """At the start, with the option's name."""
    with pytest.raises(InputError, match=why):
        provider(cast("Any", MemoryApi()), options(**changes), LiveTls(), unheard)


def test_a_folder_makes_the_provider_files(tmp_path: Path) -> None:
    """Nothing else is asked for: the API server's Secret is then never touched."""
    tls = LiveTls()
    assert isinstance(provider(cast("Any", MemoryApi()), options(cert_dir=tmp_path), tls, unheard), MountedFiles)
    own = provider(cast("Any", MemoryApi()), options(), tls, unheard)
    assert isinstance(own, CertificateController)
    assert own.tls is tls


class Provided:
    """A provider in a state."""

    def __init__(self, status: Status) -> None:
        self.tls, self.status = LiveTls(), status

    def stop(self) -> None:
        """Do nothing."""

    async def run(self) -> None:
        """Do nothing."""


def test_a_scrape_tells_expiry_registration_and_events() -> None:
    """The state is read at the scrape; an unknown date is no number."""
    registry = CollectorRegistry()
    heard: list[str] = []

    def hear(event: str, /, **_facts: object) -> None:
        heard.append(event)

    metrics, provided = CertificateMetrics(registry, hear), Provided(Status(True, "ok"))
    metrics.follow(provided)
    expiry = "gpu_injector_certificate_expiry_timestamp_seconds"
    assert str(registry.get_sample_value(expiry, {"certificate": "leaf"})) == "nan"
    provided.status = Status(True, "ok", NOW, NOW + timedelta(days=1), "foreign")
    metrics("ca-bundle-contested")
    assert registry.get_sample_value(expiry, {"certificate": "leaf"}) == NOW.timestamp()
    assert registry.get_sample_value(expiry, {"certificate": "ca"}) == NOW.timestamp() + 86400
    states = {
        state: registry.get_sample_value("gpu_injector_registration", {"state": state})
        for state in ("ours", "foreign", "absent", "unreadable")
    }
    assert states == {"ours": 0, "foreign": 1, "absent": 0, "unreadable": 0}
    counted = registry.get_sample_value("gpu_injector_certificate_events_total", {"event": "ca-bundle-contested"})
    assert (counted, heard) == (1, ["ca-bundle-contested"])
