"""Events on our own Deployment: a long text keeps its end, where the remedy is."""

from support.memory_api import NAMESPACE, MemoryApi

from certs.api import Installation
from webhook.controllers.event_recorder import NOTE_BYTES
from webhook.controllers.own_events import OwnEvents
from webhook.kube_client.clock import Clock


async def test_a_long_text_is_cut_in_its_middle() -> None:
    """As Events on DaemonSets are: the API server refuses a note of 1,024 bytes."""
    api = MemoryApi()
    text = "ä" * 2000 + " To correct it: restart the webhook."
    await OwnEvents(api, Installation(NAMESPACE), "webhook-a", Clock()).record("Unreachable", text)
    (event,) = [item for address, item in api.store.objects.items() if address.resource == "events"]
    assert event["note"].endswith("ä To correct it: restart the webhook.")
    assert len(event["note"].encode()) <= NOTE_BYTES
