"""The Secret in the API server: created once, updated only as it was read, and only the granted rights used."""

import base64
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.certificate_secrets import EMPTY_SECRET, GOOD, OTHER, OURS
from support.cluster_world import session
from support.fake_api import FakeApi
from support.fake_store import Json
from support.memory_api import MUTATING, SECRET, VALIDATING, MemoryApi, registration

from certs.certificate import read_certificates
from certs.controller import CertificateController
from certs.secret_content import read_content
from certs.secret_store import StoredSecret, read_secret, write_secret
from certs.webhook_configs import Registration, patch_registration, read_registrations
from webhook.kube_client.api_error import ApiError


async def test_the_secret_is_created_once() -> None:
    """Of two replicas that found none, the second gets a lost race."""
    api = MemoryApi()
    stored = await read_secret(api, OURS)
    assert stored.problem == "the Secret is absent"
    assert await write_secret(api, OURS, stored, GOOD)
    assert not await write_secret(api, OURS, stored, OTHER)
    assert (await read_secret(api, OURS)).content == GOOD


async def test_the_secret_is_updated_only_as_it_was_read() -> None:
    """Compare-and-swap by resourceVersion; the administrator's labels stay."""
    api = MemoryApi()
    api.put(EMPTY_SECRET)
    stored = await read_secret(api, OURS)
    assert stored.problem == "the Secret is empty"
    assert await write_secret(api, OURS, stored, GOOD)
    assert not await write_secret(api, OURS, stored, OTHER)
    assert (await read_secret(api, OURS)).content == GOOD
    assert api.stored(SECRET)["metadata"]["labels"] == EMPTY_SECRET["metadata"]["labels"]


async def test_a_secret_deleted_meanwhile_is_a_lost_race() -> None:
    """The next read finds it absent and plans again."""
    api = MemoryApi()
    api.put(EMPTY_SECRET)
    stored = await read_secret(api, OURS)
    api.remove(SECRET)
    assert not await write_secret(api, OURS, stored, GOOD)


REQUESTS: dict[tuple[str, str], Callable[[MemoryApi, StoredSecret], Coroutine[Any, Any, object]]] = {
    ("GET", SECRET): lambda api, _: read_secret(api, OURS),
    ("PUT", SECRET): lambda api, stored: write_secret(api, OURS, stored, GOOD),
    ("GET", MUTATING): lambda api, _: read_registrations(api, OURS),
    ("PATCH", MUTATING): lambda api, _: patch_registration(
        api, OURS, Registration("mutatingwebhookconfigurations", "1", ()), []
    ),
}


@pytest.mark.parametrize("refused", REQUESTS)
async def test_a_refusal_tells_the_request_and_nothing_of_its_content(refused: tuple[str, str]) -> None:
    """An API server's message may repeat the object that was sent, private keys included."""
    api = MemoryApi()
    api.put(EMPTY_SECRET)
    stored = await read_secret(api, OURS)
    api.refusals[refused] = 403
    with pytest.raises(ApiError) as refusal:
        await REQUESTS[refused](api, stored)
    assert refusal.value.with_request == f"{refused[0]} {refused[1]}: 403 Refused"


async def test_a_missing_namespace_is_no_lost_race() -> None:
    """A create without its namespace would otherwise be retried at once, and repeatedly."""
    api = MemoryApi()
    stored = await read_secret(api, OURS)
    api.refusals["POST", SECRET.rsplit("/", 1)[0]] = 404
    with pytest.raises(ApiError, match="404"):
        await write_secret(api, OURS, stored, GOOD)


def unheard(_event: str, /, **_facts: object) -> None:
    """Ignore the event."""


RIGHTS = {
    ("GET", SECRET),
    ("PUT", SECRET),
    ("POST", SECRET.rsplit("/", 1)[0]),
    ("GET", MUTATING),
    ("PATCH", MUTATING),
    ("GET", VALIDATING),
    ("PATCH", VALIDATING),
}


@pytest.mark.parametrize("present", [[], [EMPTY_SECRET]], ids=["no Secret", "the manifest's empty Secret"])
async def test_the_first_start_over_a_socket(present: list[Json], tmp_path: Path) -> None:
    """The real client against the fake server: the Secret filled, both registrations trusting it, named rights only."""
    async with FakeApi() as fake:
        fake.put(registration(), registration("Validating"), *present)
        async with session(fake, tmp_path) as api:
            controller = CertificateController(api, OURS, who="replica", on_change=unheard)
            assert await controller.tick()
        content = read_content(fake.get(SECRET))
        assert controller.tls.leaf == content.leaf
        for path in (MUTATING, VALIDATING):
            bundle = base64.b64decode(fake.get(path)["webhooks"][0]["clientConfig"]["caBundle"])
            assert read_certificates(bundle) == content.bundle
        assert {(request.method, request.path) for request in fake.requests} <= RIGHTS
        assert not any(request.query for request in fake.requests)
