"""Whether the nodes of a kind know a RuntimeClass's handler."""

from enum import StrEnum

from webhook.decide.nodes.kind import NodeKind
from webhook.view.view import RuntimeClass


class HandlerState(StrEnum):
    """Whether a node knows a RuntimeClass's handler."""

    PROVEN = "proven"
    DISPROVED = "disproved"
    UNKNOWN = "unknown"


def handler_evidence(kind: NodeKind, runtime_class: RuntimeClass) -> HandlerState:
    """Say whether nodes of a kind know the handler; the strongest evidence first."""
    if runtime_class.name in kind.classes:
        return HandlerState.PROVEN
    if kind.handlers is not None:
        return HandlerState.PROVEN if runtime_class.handler in kind.handlers else HandlerState.DISPROVED
    is_disproved = kind.class_failed or kind.is_docker or kind.is_virtual
    return HandlerState.DISPROVED if is_disproved else HandlerState.UNKNOWN
