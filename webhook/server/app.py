"""The webhook's HTTP handlers, which the API server calls."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import orjson
from aiohttp import web
from jsonpatch import JsonPatchException
from jsonpointer import JsonPointerException

from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.decide.ephemeral import decide_ephemeral
from webhook.decide.limits import left_alone
from webhook.decide.warning_text import warning_line
from webhook.kube.templates import ManyTemplatesError, changed_template
from webhook.names import BOOTSTRAP_PATH, EPHEMERAL_PATH, HEARTBEAT_PATH, TEMPLATES_PATH, WORKLOADS_PATH
from webhook.policy.model import Policy
from webhook.server.admission_review import (
    MalformedReviewError,
    Review,
    allow,
    answer,
    check_applies,
    parse_review,
    warn,
)
from webhook.server.decide_live import ViewSource
from webhook.server.decision_log import DecisionLog, record_of
from webhook.server.event_lookup import FailureSource
from webhook.server.heartbeat_status import HeartbeatStatus
from webhook.server.overload import BusyError, Load, busy_response, timeout_seconds
from webhook.server.plugin_admission import LiveState, admit_plugin
from webhook.server.request_body import (
    BODY_LIMIT_BYTES,
    CREATE_LIMIT_BYTES,
    HEARTBEAT_LIMIT_BYTES,
    Bodies,
    Body,
    DisconnectedError,
    TooLargeError,
)
from webhook.server.workload_admission import admit_workload

PATHS = frozenset({WORKLOADS_PATH, BOOTSTRAP_PATH, EPHEMERAL_PATH, TEMPLATES_PATH, HEARTBEAT_PATH})

# Where a body carries one object, not two. A heartbeat is an empty ConfigMap.
LIMITS_BYTES = dict.fromkeys((WORKLOADS_PATH, BOOTSTRAP_PATH), CREATE_LIMIT_BYTES)
LIMITS_BYTES[HEARTBEAT_PATH] = HEARTBEAT_LIMIT_BYTES


# Not a standard status: the client went away, and reads no answer. nginx logs the same.
CLIENT_CLOSED_REQUEST = 499
# Of a fault of ours, what the log shows.
MOST_FRAMES, LONGEST_PATH = 20, 200

# What Python and orjson raise for values that are nested hundreds of levels deep.
NESTED_TOO_DEEPLY = (RecursionError, orjson.JSONEncodeError)
TOO_DEEP = left_alone("more levels of values in one another than any pod")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Decide = Callable[[Review], Awaitable[Decision]]


@dataclass(slots=True)
class Webhook:
    """The webhook's handlers, and the little state they share. Without a cluster, ``state`` and ``events`` are None."""

    policy: Policy
    source: ViewSource
    observer: DecisionLog
    load: Load = field(default_factory=Load)
    bodies: Bodies = field(default_factory=Bodies)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    state: LiveState | None = None
    heartbeat: HeartbeatStatus = field(default_factory=HeartbeatStatus)
    events: FailureSource | None = None

    def application(self) -> web.Application:
        """Return the application of the TLS listener."""
        app = web.Application(middlewares=[self._observe, self._guard])
        app.cleanup_ctx.append(self._watch_load)
        app.router.add_post(WORKLOADS_PATH, self._mutate_workloads)
        app.router.add_post(BOOTSTRAP_PATH, self._mutate_bootstrap)
        app.router.add_post(EPHEMERAL_PATH, self._mutate_ephemeral)
        app.router.add_post(TEMPLATES_PATH, self._warn_templates)
        app.router.add_post(HEARTBEAT_PATH, self._mark_heartbeat)
        # Paths of later versions: an upgrade may bring the registration before the server.
        app.router.add_post("/mutate/{entry:.+}", self._allow)
        app.router.add_post("/warn/{entry:.+}", self._allow)
        return app

    async def _mutate_workloads(self, request: web.Request) -> web.StreamResponse:
        return await self._decide(
            request, lambda review: admit_workload(review.object, review.facts, self.policy, self.source, self.events)
        )

    async def _mutate_bootstrap(self, request: web.Request) -> web.StreamResponse:
        return await self._decide(
            request, lambda review: admit_plugin(review.object, review.facts, self.policy, self.source, self.state)
        )

    async def _decide(self, request: web.Request, decide: Decide) -> web.StreamResponse:
        with await self._body(request) as body:
            review = _parsed(body)
            start = time.perf_counter()
            try:
                return self._answer(review, await decide(review), start)
            except NESTED_TOO_DEEPLY:
                return self._answer(review, TOO_DEEP, start)

    async def _mutate_ephemeral(self, request: web.Request) -> web.StreamResponse:
        with await self._body(request) as body:
            review = _parsed(body)
            start = time.perf_counter()
            before = review.old_object or {}
            decision = decide_ephemeral(review.object, before, review.facts, self.policy, self.source.view)
            return self._answer(review, decision, start)

    async def _warn_templates(self, request: web.Request) -> web.StreamResponse:
        with await self._body(request) as body:
            review = _parsed(body)
            decision = await self._decide_template(review)
            if decision:
                self.observer.template(review, decision)
            return _json(warn(review.uid, decision.warnings if decision else ()))

    async def _mark_heartbeat(self, request: web.Request) -> web.StreamResponse:
        with await self._body(request) as body:
            return _json(self.heartbeat.answer(_parsed(body)))

    async def _decide_template(self, review: Review) -> Decision | None:
        """Decide on the template that a user changes by a request; None if there is none."""
        asked = RequestInfo(review.namespace, is_template=True)
        try:
            changed = changed_template(review.object, review.old_object or {})
            return await admit_workload(changed, asked, self.policy, self.source, self.events) if changed else None
        except ManyTemplatesError as error:
            return left_alone(str(error))
        except NESTED_TOO_DEEPLY:
            return TOO_DEEP

    def _answer(self, review: Review, decision: Decision, start: float) -> web.StreamResponse:
        checked = self._checked(review, decision)
        body = answer(review, checked)
        self.observer.decided(record_of(review, checked, time.perf_counter() - start))
        return _json(body)

    async def _allow(self, request: web.Request) -> web.StreamResponse:
        with await self._body(request) as body:
            return _json(allow(_parsed(body).uid))

    def _checked(self, review: Review, decision: Decision) -> Decision:
        """Return the decision if its patch applies, else the one to leave the pod alone."""
        try:
            check_applies(review, decision)
        except (JsonPatchException, JsonPointerException) as error:
            self.observer.metrics.patches_refused.inc()
            kind = type(error).__name__
            self.observer.log.warning("patch-refused", uid=review.uid, reason=decision.reason, error=kind)
            warning = warning_line("internal error: the patch does not apply; pod left alone, it may see no GPU")
            return Decision(Verdict.LEAVE, Reason.PATCH_REFUSED, warnings=(warning,))
        return decision

    async def _body(self, request: web.Request) -> Body:
        """Return the body of a request; its memory is reserved until the end of the block that uses it."""
        limit_bytes = LIMITS_BYTES.get(request.path, BODY_LIMIT_BYTES)
        return await self.bodies.read(request, limit_bytes, timeout_seconds(request.query.get("timeout", "")))

    async def _watch_load(self, _: web.Application) -> AsyncIterator[None]:
        async with self.load.watched():
            yield

    @web.middleware
    async def _observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count and time each request, also one that fails."""
        path = request.path if request.path in PATHS else "other"
        metrics = self.observer.metrics
        start = time.perf_counter()
        code = str(CLIENT_CLOSED_REQUEST)
        try:
            with metrics.in_flight.labels(path).track_inprogress():
                response = await handler(request)
            code = str(response.status)
            return response
        finally:
            metrics.requests.labels(path, code).inc()
            metrics.latency.labels(path).observe(time.perf_counter() - start)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn each failure into the status that lets the API server do the right thing."""
        try:
            self.load.check(timeout_seconds(request.query.get("timeout", "")))
            response = await handler(request)
        except BusyError:
            response = busy_response()
        except MalformedReviewError as error:
            response = self._refuse(400, str(error))
        except TooLargeError as error:
            response = self._refuse(413, str(error))
        except DisconnectedError:
            response = web.Response(status=CLIENT_CLOSED_REQUEST)
        except TimeoutError:
            response = self._refuse(408, "the body did not arrive in time")
        except web.HTTPException as error:
            response = self._refuse(error.status, error.reason)
        except Exception as error:  # noqa: BLE001 - the edge
            # With failurePolicy Ignore, an error of ours means that the pod is created unchanged.
            self._tell_fault(request, error)
            response = web.Response(status=500, text="internal error\n")
        if self.draining.is_set():
            response.force_close()
        return response

    def _tell_fault(self, request: web.Request, error: Exception) -> None:
        # Without its message: it may quote the author's values, which are secret.
        frames = "".join(traceback.format_tb(error.__traceback__, limit=-MOST_FRAMES))
        self.observer.log.error("failed", path=request.path[:LONGEST_PATH], error=type(error).__name__, at=frames)

    def _refuse(self, status: int, why: str) -> web.Response:
        self.observer.log.warning("refused", status=status, why=why)
        response = web.Response(status=status, text=why + "\n")
        # The rest of the body is not read.
        response.force_close()
        return response


def _parsed(body: bytearray) -> Review:
    """Return the review in a body, and free the body."""
    review = parse_review(body)
    body.clear()
    return review


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
