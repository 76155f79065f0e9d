"""The webhook's edge with failures that Events show: pods and templates."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from support.failed_workloads import INJECT, NAMESPACE, event, gpu_pod
from support.served import decided, review, webhook

from webhook.decide.decision import Verdict
from webhook.names import TEMPLATES_PATH
from webhook.observations.workload_failure import EventReason, WorkloadFailure
from webhook.server.decide_live import FixedView
from webhook.view.event_projection import failures_of


@dataclass(slots=True)
class Known:
    """Failures of one namespace that are known at once."""

    found: tuple[WorkloadFailure, ...] = failures_of([event()], NAMESPACE, None)
    noted: list[tuple[Verdict, str]] = field(default_factory=list)

    async def failures(self, namespace: str, reasons: Collection[EventReason]) -> tuple[WorkloadFailure, ...]:
        """Return those of the reasons."""
        return tuple(one for one in self.found if namespace == NAMESPACE and one.reason in reasons)

    def note(self, verdict: Verdict, namespace: str) -> None:
        """Remember it."""
        self.noted.append((verdict, namespace))


async def test_a_pod_is_left_alone_and_recorded() -> None:
    """Log, page and metric show the reason and the text."""
    hook = webhook(FixedView(INJECT))
    hook.events = known = Known()
    (record,) = await decided(gpu_pod(), hook=hook)
    assert (record["verdict"], record["reason"]) == ("leave", "setback")
    assert record["needsAttention"]
    assert known.noted == [(Verdict.INJECT, NAMESPACE)]


async def test_the_author_of_a_template_is_warned() -> None:
    """Pods of the Deployment would be left alone: its author reads that, with the text."""
    hook = webhook(FixedView(INJECT))
    hook.events = Known()
    template: dict[str, Any] = {"kind": "Deployment", "spec": {"template": {"spec": gpu_pod()["spec"]}}}
    async with TestClient(TestServer(hook.application())) as client:
        response = await client.post(TEMPLATES_PATH, json=review(template, NAMESPACE))
        (warning,) = (await response.json())["response"]["warnings"]
    assert warning.endswith('no runtime for "nvidia" is configured')
