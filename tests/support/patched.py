"""A decision's patch applied to its pod, as the API server applies it."""

import copy
from typing import Any

import jsonpatch
import orjson

from webhook.decide.decision import Decision


def patched(pod: dict[str, Any], decision: Decision) -> dict[str, Any]:
    """Apply a decision's operations as they stand on the wire."""
    operations = orjson.loads(orjson.dumps(decision.operations))
    result: dict[str, Any] = jsonpatch.JsonPatch(operations).apply(copy.deepcopy(pod))
    return result
