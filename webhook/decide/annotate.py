"""The annotation with the decision about a pod."""

from collections.abc import Iterator

from webhook.decide.decision import DECISION_KEY
from webhook.decide.patch import Operation, add_entry
from webhook.decide.pod import Pod, annotations, is_mirror

# The API server rejects a pod whose annotations, keys and values together, are larger (256 KiB).
LIMIT_BYTES = 262_144


def annotation_operation(pod: Pod, word: str) -> Iterator[Operation]:
    """Annotate a pod with a decision (``<verdict>/<reason>``), unless it has that annotation or has no room for it."""
    present, metadata = annotations(pod), pod.get("metadata")
    if is_mirror(pod) or present.get(DECISION_KEY) == word or not isinstance(metadata, dict):
        return
    others = (f"{key}{value}" for key, value in present.items() if key != DECISION_KEY)
    size = sum(len(other.encode(errors="surrogatepass")) for other in others)
    if size + len(DECISION_KEY) + len(word) <= LIMIT_BYTES:
        yield add_entry("/metadata/annotations", metadata.get("annotations"), DECISION_KEY, word)
