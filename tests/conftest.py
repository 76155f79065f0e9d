"""Options and fixtures of all tests."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, Phase, settings

if TYPE_CHECKING:
    from webhook.server.app import Webhook

# How fast a machine is says nothing about the code.
settings.register_profile("any-machine", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

# A sabotage needs one failing example, not the smallest; the same search every time, and long enough to find it.
settings.register_profile("sabotage", phases=[Phase.generate], derandomize=True, max_examples=3000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that writes golden files anew."""
    parser.addoption("--update-golden", action="store_true", help="Write the golden files from what the code says.")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Say whether golden files are to be written, not compared."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
async def hook() -> "Webhook":
    """Return a webhook with the golden cases' common view."""
    from support.served import webhook  # noqa: PLC0415  most tests need no server

    return webhook()


@pytest.fixture
async def client(hook: "Webhook") -> AsyncIterator[TestClient[Any, Any]]:
    """Serve the webhook on loopback."""
    async with TestClient(TestServer(hook.application())) as client:
        yield client
