"""Entries of others in our registrations, as a stolen ServiceAccount token could add: counted, and reported by name."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from support.memory_api import MUTATING, MemoryApi, registration, service
from support.rotation_world import World

from certs.api import Installation
from certs.tls_context import LiveTls, Status
from certs.webhook_configs import foreign_count, read_registrations
from webhook.server.certificate_metrics import CertificateMetrics

THEIRS = {"url": "https://203.0.113.1/"}


@pytest.mark.parametrize(
    ("clients", "names"),
    [
        ((service(),), ()),
        ((service(), THEIRS), ("entry-1.gpu-injector.io",)),
        ((THEIRS, service("elsewhere"), {}), tuple(f"entry-{number}.gpu-injector.io" for number in range(3))),
    ],
)
async def test_an_entry_that_leads_elsewhere_is_foreign(clients: tuple[dict[str, object], ...], names: object) -> None:
    """Whatever it is called."""
    api = MemoryApi()
    api.put(registration("Mutating", *clients))
    found = await read_registrations(api, Installation())
    assert [one.foreign for one in found] == [names]
    assert foreign_count(found) == len(clients) - sum(client == service() for client in clients)


def test_registrations_that_cannot_be_read_have_an_unknown_number() -> None:
    """Unknown is not none."""
    assert foreign_count(None) is None


def test_each_replica_reports_them_once_and_that_they_are_gone() -> None:
    """The event names them; our own entries get their caBundle all the same."""
    world = World({"a": timedelta()})
    world.api.put(registration("Mutating", service(), THEIRS))
    world.minutes(3)
    reported = [facts for _, event, facts in world.events if event == "entries-foreign"]
    assert [(facts["reason"], facts["registration"]) for facts in reported] == [
        ("entry-1.gpu-injector.io", "mutatingwebhookconfigurations")
    ]
    assert world.replicas["a"].controller.status.foreign_entries == 1
    assert world.api.stored(MUTATING)["webhooks"][0]["clientConfig"]["caBundle"]
    assert "caBundle" not in world.api.stored(MUTATING)["webhooks"][1]["clientConfig"]
    world.api.put(registration("Mutating", service()))
    world.minutes(2)
    assert world.replicas["a"].controller.status.foreign_entries == 0
    assert [event for _, event, _ in world.events].count("entries-recovered") == 1


def test_the_names_of_others_are_cut() -> None:
    """An attacker chooses their names and number."""
    world = World({"a": timedelta()})
    item = registration("Mutating", service(), *([THEIRS] * 20))
    for entry in item["webhooks"][1:]:
        entry["name"] = "n" * 5000
    world.api.put(item)
    world.minutes(1)
    (facts,) = [facts for _, event, facts in world.events if event == "entries-foreign"]
    assert len(str(facts["reason"])) < 500
    assert str(facts["reason"]).endswith("and 15 more")


class _Fixed:
    """A provider whose state never changes."""

    tls = LiveTls()

    def __init__(self, foreign: int | None) -> None:
        self.status = Status(ready=True, reason="ok", foreign_entries=foreign)


@pytest.mark.parametrize(("foreign", "shown"), [(None, "NaN"), (0, "0.0"), (2, "2.0")])
def test_a_scrape_shows_how_many_there_are(foreign: int | None, shown: str) -> None:
    """An alert waits on it. Not a number where the registrations cannot be read."""
    registry = CollectorRegistry()
    CertificateMetrics(registry, lambda *_, **__: None).follow(_Fixed(foreign))  # type: ignore[arg-type]
    value = registry.get_sample_value("gpu_injector_registration_foreign_entries")
    assert str(value).replace("nan", "NaN") == shown
