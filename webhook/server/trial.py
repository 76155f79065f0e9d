"""Which requests are trials: server-side dry-runs, doctor's among them, and the pods of ``verify``.

A trial gets the same answer as any pod. The page marks it and does not count it. Heartbeats are never recorded at all.
"""

from enum import StrEnum
from typing import Any

from webhook.kube.metadata import labels_of, name_of
from webhook.kube.values import mapping, text
from webhook.names import TRIAL_PREFIX, VERIFY_LABEL, VERIFY_PREFIX
from webhook.server.admission_review import Review


class Trial(StrEnum):
    """The kinds of trials, as ``/decisions`` names them."""

    NONE = ""
    DRY_RUN = "server dry-run"
    DOCTOR = "doctor"
    VERIFY = "verify"


def trial_of(review: Review) -> Trial:
    """Return the kind of a trial; the name and label of ``verify`` change how a pod is shown, and nothing else."""
    pod: dict[str, Any] = review.object
    if review.is_dry_run:
        from_doctor = text(mapping(pod.get("metadata")).get("generateName")) == TRIAL_PREFIX
        return Trial.DOCTOR if from_doctor else Trial.DRY_RUN
    key, value = VERIFY_LABEL
    is_probe = name_of(pod).startswith(VERIFY_PREFIX) and labels_of(pod).get(key) == value
    return Trial.VERIFY if is_probe else Trial.NONE
