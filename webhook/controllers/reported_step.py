"""One step of a controller that may fail: each failure is reported once, and its end too. The rounds go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from certs.state_events import StateEvents
from webhook.kube_client.api_error import ApiError, UnauthorizedError


class BlockedError(Exception):
    """An action is due, but a problem must be fixed first; the message names it."""


def _nothing() -> None:
    """Do nothing."""


@contextmanager
def reported_step(state_events: StateEvents, subject: str, failed: Callable[[], None] = _nothing) -> Iterator[None]:
    """Report a step that is held, refused or without an answer; ``failed`` is called for the last two."""
    try:
        yield
    except BlockedError as error:
        state_events.report(subject, f"{subject}-held", reason=str(error))
    except ApiError as error:
        failed()
        state_events.report(subject, f"{subject}-refused", reason=error.with_request)
    except UnauthorizedError as error:
        failed()
        state_events.report(subject, f"{subject}-refused", reason=str(error))
    except OSError as error:
        failed()
        state_events.report(subject, f"{subject}-unreachable", reason=type(error).__name__)
    else:
        state_events.resolve(subject, f"{subject}-recovered")
