"""How far the start of a pod has come, as its status shows it, and the Events that explain it. Pure values."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class PodStart:
    """The start of a pod.

    ``sandbox`` says whether the pod's sandbox and volumes are there (None: unknown). ``unready_since`` is when
    readiness, sandbox or pod last changed. ``message`` is what the runtime said of a container, ``last_end`` the reason
    for which a container last ended.
    """

    sandbox: bool | None = None
    unready_since: datetime | None = None
    message: str = ""
    last_end: str = ""


NOT_STARTED = PodStart()


class PodEvent(NamedTuple):
    """An Event about a pod, of the pod's own namespace. It explains a failure that the pod's status shows."""

    namespace: str
    pod_uid: str
    reason: str
    message: str
