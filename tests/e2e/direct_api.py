"""Requests to the API server without kubectl, which would start a process for each of many requests a second."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, warnings and body of an answer."""

    status: int
    warnings: list[str]
    body: bytes

    @property
    def object(self) -> dict[str, Any]:
        """The object in the body."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


class DirectApi:
    """One kept connection of a kubeconfig's user; not for two threads."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._headers = {"Authorization": f"Bearer {user['token']}"}
        tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        address = urlsplit(cluster["server"])
        self._connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=tls, timeout=30)

    def call(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        """Return status and object of one request."""
        answer = self.ask(method, path, json.dumps(body) if body is not None else None, content_type)
        return answer.status, answer.object

    def ask(
        self,
        method: str,
        path: str,
        body: str | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer to one request. Raises OSError, HTTPException; the next one connects anew."""
        sent = self._headers | dict(headers or {}) | ({"Content-Type": content_type} if body is not None else {})
        try:
            self._connection.request(method, path, body, sent)
            with self._connection.getresponse() as response:
                warnings = response.headers.get_all("Warning", [])
                return Answer(response.status, [_text_of(one) for one in warnings], response.read())
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
        lines = self.ask("GET", "/metrics").body.decode().splitlines(keepends=True)
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


def _text_of(warning: str) -> str:
    """Return the text of a header such as ``299 - "text"``, in which quotes and backslashes are escaped."""
    text: str = json.loads(warning.partition(" - ")[2].encode("latin-1").decode())
    return text
