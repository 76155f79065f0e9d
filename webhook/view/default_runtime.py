"""The default container runtime that k3s and RKE2 write into an annotation of the node."""

import json
from collections.abc import Mapping
from typing import Any

from webhook.kube.values import elements, text

# k3s and RKE2 record the arguments of their agent here, as a JSON array. Only the node itself may write it.
# Source: https://docs.k3s.io/cli/agent
ARGUMENT_ANNOTATIONS = ("k3s.io/node-args", "rke2.io/node-args")
FLAG = "--default-runtime"
MAX_ARGUMENTS_CHARACTERS = 64 * 1024


def default_runtime(annotations: Mapping[str, Any]) -> str:
    """Return the default runtime that a node's arguments set, empty where they set none.

    ``--default-runtime=nvidia`` is one item of the array; k3s splits it into two items before it writes the
    annotation. The last one counts.
    """
    found = ""
    for key in ARGUMENT_ANNOTATIONS:
        arguments = _arguments(annotations.get(key))
        for index, argument in enumerate(arguments):
            name, equals, value = argument.partition("=")
            if name == FLAG:
                found = value if equals else _value_after(arguments, index)
    return found


def _arguments(annotation: object) -> list[str]:
    if not isinstance(annotation, str) or len(annotation) > MAX_ARGUMENTS_CHARACTERS:
        return []
    try:
        return [text(item) for item in elements(json.loads(annotation))]
    except (ValueError, RecursionError):
        return []


def _value_after(arguments: list[str], index: int) -> str:
    following = arguments[index + 1] if index + 1 < len(arguments) else ""
    return "" if following.startswith("-") else following
