"""Write thousands of objects, over a few connections; ``kubectl`` would hold itself back to 50 requests a second."""

import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import yaml
from e2e.control_plane import ControlPlane

from .process import ServerError

AT_ONCE = 8
TYPES = {"POST": "application/json", "PATCH": "application/merge-patch+json"}


@dataclass(frozen=True, slots=True)
class Write:
    """A request: ``POST`` creates an object, ``PATCH`` changes one."""

    method: str
    path: str
    body: Mapping[str, Any]


def write_all(plane: ControlPlane, writes: Sequence[Write]) -> None:
    """Write them as the administrator; a connection gets neighbours, in their order. Raises ServerError."""
    size = -(-len(writes) // AT_ONCE)
    # Two writes of one object are neighbours, and stay on one connection.
    size += size % 2
    parts = [writes[start : start + size] for start in range(0, len(writes), size)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(partial(_write, plane), parts))


def _write(plane: ControlPlane, writes: Sequence[Write]) -> None:
    token = yaml.safe_load(plane.kubectl.kubeconfig.read_text())["users"][0]["user"]["token"]
    context = ssl.create_default_context(cafile=plane.certificate_authority)
    connection = http.client.HTTPSConnection(plane.url.removeprefix("https://"), context=context, timeout=60)
    for write in writes:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": TYPES[write.method]}
        connection.request(write.method, write.path, json.dumps(write.body), headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status not in (http.client.OK, http.client.CREATED):
            raise ServerError(f"{write.path}: {response.status} {answer[:500]!r}")
    connection.close()
