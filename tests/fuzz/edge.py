"""The webhook's whole edge without a socket: a body in, a status and an answer out, and what must hold for them."""

import asyncio
import base64
import json
import logging
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

import jsonpatch
import orjson
import structlog
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from webhook.decide.warning_text import WARNING_LIMIT
from webhook.policy.model import Policy
from webhook.server.app import PATHS, Webhook
from webhook.server.decide_live import FixedView
from webhook.server.decision_log import DecisionLog
from webhook.server.metrics import Metrics
from webhook.server.request_body import BODY_LIMIT_BYTES
from webhook.view.view import ClusterView

LONGEST_RECORD_BYTES = 64 * 1024
FINE, REFUSED = (200,), (400, 413)


@dataclass
class Edge:
    """One webhook over one view, asked again and again."""

    view: ClusterView
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        self._log = _LastLine()
        quiet = structlog.wrap_logger(
            structlog.PrintLogger(self._log),  # type: ignore[arg-type]
            processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumped)],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        )
        self.observer = DecisionLog(quiet, Metrics.create())
        self._app = Webhook(self.policy, FixedView(self.view), self.observer).application()
        self._app.freeze()
        # One for all: the mocks in it take longer to make than a review takes. A mocked protocol keeps every call.
        protocol = SimpleNamespace(ssl_context=None, peername=None, sockname=None)
        self._request = make_mocked_request("POST", "/", protocol=protocol, loop=mock.Mock())

    async def ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body of the answer."""
        loop = asyncio.get_running_loop()
        payload = StreamReader(BaseProtocol(loop), BODY_LIMIT_BYTES, loop=loop)
        payload.feed_data(body)
        payload.feed_eof()
        request = self._request.clone(rel_url=path)
        request._payload = payload  # noqa: SLF001 - a clone keeps the first one's
        response = await self._app._handle(request)  # noqa: SLF001 - what aiohttp's own server calls
        return response.status, bytes(response.body or b"")  # type: ignore[attr-defined]

    async def check(self, path: str, body: bytes) -> None:
        """Ask, and raise AssertionError where the answer could hurt a pod, or us."""
        before = len(self.observer.recent)
        status, answer = await self.ask(path, body)
        if status in REFUSED:
            return
        assert status in FINE, f"{path}: {status}: {self._log.text}"
        self._check_answer(body, answer)
        if path in PATHS and len(self.observer.recent) > before:
            record = orjson.dumps(self.observer.recent[-1].to_json())
            assert len(record) < LONGEST_RECORD_BYTES, "a record that is large"
            self.observer.recent.clear()

    def _check_answer(self, body: bytes, answer: bytes) -> None:
        request, response = orjson.loads(body)["request"], orjson.loads(answer)["response"]
        assert response["uid"] == request["uid"], "another review's answer"
        assert response["allowed"] is True, "a refusal"
        for warning in response.get("warnings", ()):
            assert len(warning) <= WARNING_LIMIT, "a warning that is long"
            assert warning.isprintable(), "a warning that is no line"
        if "patch" in response:
            _check_patch(request["object"], response["patch"])


def _check_patch(pod: dict[str, Any], encoded: str) -> None:
    operations = json.loads(base64.b64decode(encoded))
    assert operations, "a patch of nothing"
    patched = jsonpatch.JsonPatch(operations).apply(pod)
    for fields in ("initContainers", "containers"):
        assert len(_listed(patched, fields)) == len(_listed(pod, fields)), "a container came or went"


def _listed(pod: dict[str, Any], fields: str) -> list[Any]:
    spec = pod.get("spec")
    found = spec.get(fields) if isinstance(spec, dict) else None
    return found if isinstance(found, list) else []


def _dumped(value: object, **_: object) -> str:
    return orjson.dumps(value).decode()


class _LastLine:
    """The log: rendered, which is what could fail, and forgotten but for the last line."""

    text = ""

    def write(self, text: str) -> None:
        """Take a line, or its end."""
        self.text = text.strip() or self.text

    def flush(self) -> None:
        """Do nothing."""
