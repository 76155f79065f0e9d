"""Replicas that answer no HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from webhook.commands.shared import replica_port_forward


@contextmanager
def silent_replicas() -> Iterator[None]:
    """Wait for replicas no longer than needed: those of simulated clusters answer no HTTP."""
    with patch.object(replica_port_forward, "ANSWER_SECONDS", 0.1):
        yield
