"""The webhook's use of its rights, one step at a time: it watches, reads, keeps its certificate, and repairs.

The parts are the real ones, as ``serve`` joins them, over the real API server; only their clock is the test's. Each
step returns the words for what was refused, or for what was decided.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from certs.api import Installation
from certs.controller import CertificateController
from certs.state_events import StateEvents
from e2e.control_plane import LOOPBACK
from e2e.device_plugins import NAMESPACE as PLUGINS
from e2e.pods import pod
from e2e.processes import LOOK_AGAIN_SECONDS
from webhook.controllers.assemble import assemble_rounds, assemble_setbacks, share
from webhook.controllers.heartbeat import Heartbeat, HeartbeatParts
from webhook.controllers.leadership import Leadership
from webhook.controllers.own_events import OwnEvents
from webhook.controllers.plugin_rounds import SETTLING_SECONDS
from webhook.decide.decision import RequestInfo
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.observations.pod_start import PodStart
from webhook.policy.model import Bootstrap, Policy
from webhook.server.decide_live import FRESH_SECONDS, FixedView, decide_live
from webhook.server.heartbeat_status import HeartbeatStatus
from webhook.server.metrics import Metrics
from webhook.view.live_view import LiveView
from webhook.view.view import ClusterView, Node, Plugin, PluginDaemonSet, PluginPod
from webhook.view.watched_resources import resources

INSTALLATION = Installation(extra_names=(LOOPBACK,))
FOLLOW_SECONDS = 20
WHO = "this-test"
_OWNER = PluginDaemonSet(Plugin(PLUGINS, "plugin-gone"), "uid-gone")
_NODE = Node("gone-1", ready=True)
_POD = PluginPod(
    Plugin(PLUGINS, "plugin-gone-1"),
    "uid-of-the-pod",
    _NODE.name,
    _OWNER.uid,
    running=False,
    ready=False,
    owner_name="plugin-gone",
    waiting="ContainerCreating",
    recipe="runtime-class",
    start=PodStart(sandbox=False),
)
BLOCKED = ClusterView(nodes={_NODE.name: _NODE}, plugin_pods={"gone": _POD}, daemon_sets={"gone": _OWNER})


class Told:
    """The words for what the API server refused."""

    def __init__(self) -> None:
        self.refused: set[str] = set()

    def __call__(self, event: str, /, **facts: object) -> None:
        """Note a refusal; of what is followed, also the kind, and whether its list or its watch was refused."""
        reason = str(facts.get("reason"))
        if "403 Forbidden" in reason or event == "setbacks-held":
            about = f" {facts['kind']} {reason.partition(':')[0]}" if event == "watch-lost" else ""
            self.refused.add(event + about)


class Ahead:
    """A clock that a test sets forward."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        """Return the seconds of this clock."""
        return time.monotonic() + self.seconds


async def follow(api: KubeClient, until: Callable[[], bool]) -> set[str]:
    """Follow everything until something is refused, or what is asked for has come."""
    told = Told()
    async with _running(LiveView(api, resources([PLUGINS]), on_change=told)):
        # The audit log is a file, so there is no event to wait for.
        while not (told.refused or until()):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return told.refused


async def decide_of_latecomers(
    api: KubeClient, namespace: str, runtime_class: str, meanwhile: Callable[[], Any]
) -> str:
    """Decide on a pod before the watches report its namespace or class: ``meanwhile`` creates them."""
    clock = Ahead()
    async with _synced(api, clock) as live:
        pass
    meanwhile()
    clock.seconds = 2 * FRESH_SECONDS
    policy = Policy(runtime_class=runtime_class)
    decision = await decide_live(pod(namespace), RequestInfo(namespace), policy, live)
    return decision.word


async def keep_certificate(api: KubeClient) -> set[str]:
    """Read Secret and registrations once, and repair them, as a replica does that has just started."""
    told = Told()
    clock = Clock(sleep=_end)
    keeper = CertificateController(api, INSTALLATION, who=WHO, on_change=told, clock=clock)
    with contextlib.suppress(_OverError):
        await keeper.run()
    return told.refused


async def see(api: KubeClient) -> ClusterView:
    """Return the whole view."""
    async with _synced(api, Ahead()) as live:
        return live.view


async def repair(api: KubeClient, seen: ClusterView) -> set[str]:
    """Make two rounds, half a minute of the clock apart: report the blind pods, and evict one."""
    told, ahead = Told(), Ahead()
    rounds = assemble_rounds(
        api,
        INSTALLATION,
        Policy(bootstrap=Bootstrap(repair="evict")),
        FixedView(seen),
        who=WHO,
        metrics=Metrics.create(),
        state_events=StateEvents(told),
        clock=Clock(monotonic=ahead.monotonic),
    )
    await rounds.round()
    ahead.seconds = SETTLING_SECONDS
    await rounds.round()
    return told.refused


async def keep_setbacks(api: KubeClient) -> set[str]:
    """Make one round of setbacks, in which a blocked pod is seen that is gone already."""
    told, clock = Told(), Clock()
    policy = Policy()
    watch = assemble_setbacks(
        api,
        INSTALLATION,
        policy,
        FixedView(BLOCKED),
        who=WHO,
        shared=share(api, INSTALLATION, policy, who=WHO, clock=clock),
        tell=told,
        metrics=Metrics.create(),
        clock=clock,
    )
    await watch.round()
    return told.refused


async def send_heartbeats(api: KubeClient) -> set[str]:
    """Make two rounds of a replica whose policy is not the one of the registrations, which is worth an Event."""
    told, clock = Told(), Clock()
    parts = HeartbeatParts(
        client=api,
        connect=lambda: contextlib.nullcontext(api),
        installation=INSTALLATION,
        policy=Policy(resources=("example.com/another",)),
        leadership=Leadership(api, INSTALLATION, WHO, clock),
        events=OwnEvents(api, INSTALLATION, WHO, clock),
        status=HeartbeatStatus(),
        state_events=StateEvents(told),
        leaf=lambda: None,
        refusals=lambda: 0,
        foreign_is_known=lambda: True,
        readiness=str,
        platform=str,
        clock=clock,
    )
    heartbeat = Heartbeat(parts)
    await heartbeat.round()
    await heartbeat.round()
    return told.refused


async def follow_state(api: KubeClient, until: Callable[[], bool]) -> set[str]:
    """Follow the stored state until something is refused, or what is asked for has come."""
    told = Told()
    store = share(api, INSTALLATION, Policy(), who=WHO, clock=Clock(), tell=told).store
    following = asyncio.create_task(store.run())
    try:
        while not (told.refused or until()):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return told.refused


class _OverError(Exception):
    """The one look is over."""


async def _end(_seconds: float) -> None:
    raise _OverError


@contextlib.asynccontextmanager
async def _synced(api: KubeClient, clock: Ahead) -> AsyncIterator[LiveView]:
    """Yield a view that has everything, and follow no longer when the context ends."""
    live = LiveView(api, resources([PLUGINS]), clock=Clock(monotonic=clock.monotonic))
    async with _running(live):
        await live.synced.wait()
        # There is no event for the groups; the decisions that depend on them wait until they are known.
        while live.view.api_groups is None:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        yield live


@contextlib.asynccontextmanager
async def _running(live: LiveView) -> AsyncIterator[None]:
    following = asyncio.gather(live.run(), live.follow_groups())
    try:
        async with asyncio.timeout(FOLLOW_SECONDS):
            yield
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
