"""The caBundle: which entries are ours, what they should trust, and a patch that never changes another entry."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from support.certificate_secrets import GOOD, NOW, OTHER, OURS, THIRD, encode
from support.fake_store import Json
from support.memory_api import MUTATING, MemoryApi, registration, service
from support.pods import JSON

from certs.api import Installation, canonical_name
from certs.certificate import fingerprint, write_certificates
from certs.secret_content import SecretContent
from certs.webhook_configs import Registration, Trust, authorities_of, patch_for, patch_registration, read_registrations


@pytest.mark.parametrize(
    ("client", "ours"),
    [
        (service(), True),
        (service(namespace="other"), False),
        (service(name="other"), False),
        ({"url": "https://127.0.0.1:8443/mutate/workloads"}, True),
        ({"url": "https://GPU-injector.gpu-injector.svc/warn/templates"}, True),
        ({"url": "https://127.0.0.2:8443/mutate/workloads"}, False),
        ({"url": "https://[::1/mutate"}, False),
        ({"url": ""}, False),
        ({"url": 7}, False),
        ({"service": "gpu-injector"}, False),
        ({}, False),
        (None, False),
    ],
)
async def test_an_entry_is_ours_if_it_calls_our_service_or_a_name_of_our_leaf(client: Any, *, ours: bool) -> None:  # noqa: ANN401
    """Known to this version or not: entries of a newer version get the caBundle too."""
    api = MemoryApi()
    api.put(registration("Mutating", service("other"), client))
    (found,) = await read_registrations(api, OURS)
    assert [entry.name for entry in found.entries] == (["entry-1.gpu-injector.io"] if ours else [])


async def test_a_ca_bundle_that_is_no_base64_counts_as_empty() -> None:
    """The API server would refuse it, but the reader must not fail."""
    api = MemoryApi()
    api.put(registration("Mutating", {**service(), "caBundle": "%%%"}))
    assert authorities_of(await read_registrations(api, OURS)) == ((),)


async def test_a_registration_that_is_being_deleted_is_gone() -> None:
    """Nothing is written for it any more."""
    api = MemoryApi()
    deleted = registration("Validating")
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    api.put(deleted)
    api.put(registration())
    assert [one.kind for one in await read_registrations(api, OURS)] == ["mutatingwebhookconfigurations"]


ENTRIES = JSON | st.lists(JSON | st.fixed_dictionaries({"clientConfig": JSON}), min_size=1, max_size=3)


@given(st.fixed_dictionaries({"metadata": JSON | st.just({"resourceVersion": "1"})}, optional={"webhooks": ENTRIES}))
async def test_no_registration_makes_the_reader_fail(item: Json) -> None:
    """Any other value in the place of entries is not ours."""

    class Odd(MemoryApi):
        def answer(self, method: str, path: str, body: object, content_type: str) -> tuple[int, Json]:
            del method, path, body, content_type
            return 200, item

    assert authorities_of(await read_registrations(Odd(), OURS)) == ()


def trust(*materials: SecretContent, retired: SecretContent | None = None, at: datetime = NOW) -> Trust:
    """Return what entries should trust."""
    gone = frozenset(map(fingerprint, retired.bundle)) if retired else frozenset[str]()
    return Trust(tuple(one for content in materials for one in content.bundle), gone, at)


AUTHORITIES = st.lists(
    st.sampled_from([one.bundle[0] for one in (GOOD, OTHER, THIRD)]), max_size=3, unique_by=fingerprint
)


@given(AUTHORITIES, AUTHORITIES, st.sampled_from([None, GOOD, OTHER, THIRD]))
def test_a_repair_only_adds(
    present: list[x509.Certificate], wanted: list[x509.Certificate], retired: SecretContent | None
) -> None:
    """All authorities of an entry stay, except those that retired."""
    gone = set(retired.bundle) if retired else set()
    bundle = Trust(tuple(wanted), frozenset(map(fingerprint, gone)), NOW).bundle(present)
    assert set(bundle) == (set(present) | set(wanted)) - gone
    assert len(bundle) == len(set(bundle))


def test_an_authority_that_expired_leaves_the_bundle() -> None:
    """It verifies nothing any more, and a bundle must not grow forever."""
    late = NOW + timedelta(days=366)
    assert trust(GOOD, at=late).bundle(OTHER.bundle) == ()
    assert trust(GOOD, at=late - timedelta(days=2)).bundle(OTHER.bundle) == (*GOOD.bundle, *OTHER.bundle)


async def test_the_patch_pins_the_registration_and_each_entry() -> None:
    """A registration that changed since it was read is not patched, and only incomplete entries are changed."""
    api = MemoryApi()
    full = {**service(), "caBundle": encode(write_certificates(GOOD.bundle))}
    api.put(registration("Mutating", service("other"), service(), full))
    (found,) = await read_registrations(api, OURS)
    patch = patch_for(found, trust(GOOD))
    assert [(one["op"], one["path"]) for one in patch] == [
        ("test", "/metadata/resourceVersion"),
        ("test", "/webhooks/1/name"),
        ("add", "/webhooks/1/clientConfig/caBundle"),
    ]
    assert await patch_registration(api, OURS, found, patch)
    assert not await patch_registration(api, OURS, found, patch), "the same patch is for an older registration"
    (after,) = await read_registrations(api, OURS)
    assert patch_for(after, trust(GOOD)) == []
    assert "caBundle" not in api.stored(MUTATING)["webhooks"][0]["clientConfig"]


@pytest.mark.parametrize("pinned", ["resourceVersion", "name"])
async def test_each_test_of_the_patch_stops_it(pinned: str) -> None:
    """The registration or the entry differs from the one that was read."""
    api = MemoryApi()
    api.put(registration())
    (found,) = await read_registrations(api, OURS)
    patch = [one for one in patch_for(found, trust(GOOD)) if one["op"] == "add" or one["path"].endswith(pinned)]
    assert len(patch) == 2
    changed = api.stored(MUTATING)
    changed["webhooks"][0]["name"] = "renamed.gpu-injector.io"
    api.put(changed)
    assert not await patch_registration(api, OURS, found, patch)


async def test_a_registration_deleted_meanwhile_is_a_lost_race() -> None:
    """The next read finds it gone, and writes nothing."""
    gone = Registration("mutatingwebhookconfigurations", "1", ())
    assert not await patch_registration(MemoryApi(), OURS, gone, [])


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("0:0::1", "::1"),
        ("10.0.0.1", "10.0.0.1"),
        ("a" * 63 + ".b", "a" * 63 + ".b"),
    ],
)
def test_names_have_one_form(name: str, canonical: str) -> None:
    """An entry's URL and the leaf's names are compared as text."""
    assert canonical_name(name) == canonical


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "-a", "a-", "a b", "a" * 64, "*.example.com", "é.example", "a." * 128]
)
def test_what_is_no_name_is_refused_at_once(name: str) -> None:
    """A certificate for it could not be issued, or would be useless."""
    with pytest.raises(ValueError, match="neither a DNS name nor an IP address"):
        Installation(extra_names=(name,))
