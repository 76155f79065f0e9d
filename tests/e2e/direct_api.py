"""Requests to the API server without kubectl, which would start a process for each of many requests a second."""

import http.client
import json
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from e2e.control_plane import ControlPlane

MERGE_PATCH = "application/merge-patch+json"


class DirectApi:
    """One kept connection of the administrator; not for two threads."""

    def __init__(self, plane: ControlPlane) -> None:
        user = json.loads(plane.kubectl.kubeconfig.read_text())["users"][0]["user"]
        self._headers = {"Authorization": f"Bearer {user['token']}"}
        tls = ssl.create_default_context(cafile=str(plane.certificate_authority))
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        address = urlsplit(plane.url)
        self._connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=tls, timeout=30)

    def call(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        """Return status and object of one request."""
        status, answer = self.read(method, path, json.dumps(body) if body is not None else None, content_type)
        parsed: dict[str, Any] = json.loads(answer)
        return status, parsed

    def read(
        self, method: str, path: str, body: str | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Return status and body of one request. Raises OSError, HTTPException; the next one connects anew."""
        headers = self._headers | ({"Content-Type": content_type} if body is not None else {})
        try:
            self._connection.request(method, path, body, headers)
            with self._connection.getresponse() as response:
                return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def get(self, path: str) -> dict[str, Any]:
        """Return an object that must be there."""
        status, found = self.call("GET", path)
        assert status == 200, found
        return found

    def metric(self, name: str, labels: Mapping[str, str]) -> float:
        """Return the sum of the API server's own samples of a metric that have these labels."""
        # There are megabytes of others, which would take seconds to parse.
        lines = self.read("GET", "/metrics")[1].decode().splitlines(keepends=True)
        wanted = (name, f"# HELP {name} ", f"# TYPE {name} ")
        families = text_string_to_metric_families("".join(line for line in lines if line.startswith(wanted)))
        # The parser gives a counter that is called otherwise the ending that OpenMetrics asks for.
        names = (name, f"{name}_total")
        samples = (sample for family in families for sample in family.samples if sample.name in names)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
