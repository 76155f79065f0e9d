"""The annotation with the decision about a pod."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.decide.patch import Operation, add_entry
from webhook.decide.pod import Pod, annotations, is_mirror
from webhook.names import DECISION_KEY

# The API server rejects a pod whose annotations, keys and values together, are larger (256 KiB).
LIMIT_BYTES = 262_144


def annotation_operation(pod: Pod, word: str) -> Iterator[Operation]:
    """Annotate a pod with a decision (``<verdict>/<reason>``), unless it has that annotation or has no room for it."""
    present, metadata = annotations(pod), pod.get("metadata")
    if is_mirror(pod) or present.get(DECISION_KEY) == word or not isinstance(metadata, dict):
        return
    if _leaves_room(present, len(DECISION_KEY) + len(word)):
        yield add_entry("/metadata/annotations", metadata.get("annotations"), DECISION_KEY, word)


def _leaves_room(present: Mapping[str, Any], wanted_bytes: int) -> bool:
    left = LIMIT_BYTES - wanted_bytes
    for key, value in present.items():
        if key != DECISION_KEY:
            left -= len(f"{key}{value}".encode(errors="surrogatepass"))
        # There may be a hundred thousand more.
        if left < 0:
            return False
    return True
