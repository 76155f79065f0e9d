"""The fake API server without its socket: a call is one turn, so that a test may interleave replicas call by call."""

import json
from collections import Counter
from collections.abc import Generator
from typing import Any

import orjson

from support.fake_store import Address, Json, StatusError, Store, address_of, parse
from webhook.kube_client.answer import Answer
from webhook.kube_client.client import KubeClient

NAMESPACE = "gpu-injector"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/gpu-injector"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MUTATING = f"{ADMISSION}/mutatingwebhookconfigurations/gpu-injector"
VALIDATING = f"{ADMISSION}/validatingwebhookconfigurations/gpu-injector"


class Turn:
    """Yields to the driver of the coroutine: our scheduler, or asyncio's loop."""

    def __await__(self) -> Generator[None, None, None]:
        """Give up one turn."""
        yield


class MemoryApi(KubeClient):
    """The client, over the fake's objects instead of a connection.

    `writes` counts, by method and path, what was written; `refusals` maps (method, path) to a status or an exception.
    """

    def __init__(self) -> None:
        self.store = Store()
        self.requests: Counter[tuple[str, str]] = Counter()
        self.writes: Counter[tuple[str, str]] = Counter()
        self.refusals: dict[tuple[str, str], int | OSError] = {}

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = "application/json",
        timeout_seconds: float = 10,
    ) -> Answer:
        """Act at once and answer a turn later: between the two a caller may die, or be late."""
        assert timeout_seconds > 0
        status, item = self.answer(method, path, body, content_type)
        await Turn()
        return Answer(f"{method} {path}", status, json.dumps(item).encode())

    def answer(self, method: str, path: str, body: object, content_type: str) -> tuple[int, dict[str, Any]]:
        """Act on one request."""
        sent = orjson.loads(orjson.dumps(body))
        self.requests[method, path] += 1
        refusal = self.refusals.get((method, path))
        if isinstance(refusal, OSError):
            raise refusal
        if refusal:
            return refusal, {"kind": "Status", "reason": "Refused", "message": "PRIVATE"}
        try:
            found = self._act(method, parse(path), sent, content_type)
        except StatusError as error:
            return error.code, error.status
        if method != "GET":
            self.writes[method, path] += 1
        return (201 if method == "POST" else 200), orjson.loads(orjson.dumps(found))

    def _act(self, method: str, address: Address, body: Any, content_type: str) -> Json:  # noqa: ANN401
        match method:
            case "GET" if address.name:
                return self.store.get(address)
            case "POST":
                return self.store.create(address, body)
            case "PUT":
                return self.store.replace(address, body)
            case "PATCH":
                return self.store.patch(address, content_type, body)
            case _:
                raise AssertionError(f"no client has the right to {method} {address}")

    def put(self, item: Json) -> None:
        """Create or replace an object, as an administrator would."""
        address = address_of(item)
        free = {**item, "metadata": {k: v for k, v in item["metadata"].items() if k not in ("resourceVersion", "uid")}}
        (self.store.replace if address in self.store.objects else self.store.create)(address, free)

    def stored(self, path: str) -> Json:
        """Return a copy of an object."""
        found: Json = orjson.loads(orjson.dumps(self.store.get(parse(path))))
        return found

    def remove(self, path: str) -> None:
        """Delete an object, as an administrator would."""
        self.store.delete(parse(path), {})


def registration(kind: str = "Mutating", *clients: Json) -> Json:
    """Return a registration whose entries call these clients; without any, one entry that calls our Service."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": "gpu-injector"},
        "webhooks": [
            {"name": f"entry-{index}.gpu-injector.io", "clientConfig": client}
            for index, client in enumerate(clients or (service(),))
        ],
    }


def service(namespace: str = NAMESPACE, name: str = "gpu-injector") -> Json:
    """Return a clientConfig that calls a Service."""
    return {"service": {"namespace": namespace, "name": name, "path": "/mutate/workloads"}}
