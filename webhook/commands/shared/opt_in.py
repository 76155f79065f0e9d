"""The opt-in of a pod's namespace: whether the API server calls the webhook at all, and what a label would change."""

from collections.abc import Mapping
from dataclasses import replace
from shlex import quote

from webhook.decide.decision import Reason
from webhook.decide.pod import Pod, containers, label
from webhook.kube.values import EMPTY
from webhook.names import ALWAYS, INJECT_KEY
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

# The values of the namespace's label that the webhook knows.
KNOWN_SETTINGS = ("enabled", "dry-run", "disabled")
# A namespace with one of these reasons gets no pod patched until it exists and has the label.
WITHOUT_OPT_IN = frozenset({Reason.NOT_OPTED_IN, Reason.NAMESPACE_UNKNOWN})


def is_uncalled(reason: Reason, policy: Policy) -> bool:
    """Say whether the selectors of the registration exclude pods that are left for this reason."""
    if reason is Reason.NOT_OPTED_IN:
        # With optOut, the registration's selector excludes nothing but the value "disabled".
        return not policy.opt_out
    return reason in (Reason.OPTED_OUT, Reason.NAMESPACE_UNKNOWN)


def concerns_gpus(pod: Pod, policy: Policy) -> bool:
    """Say whether the pod names a GPU resource, even with zero or an odd value, or asks for the class by its label."""
    return label(pod, INJECT_KEY) == ALWAYS or any(item.names_gpu for item in containers(pod, policy))


def with_opt_in(view: ClusterView, namespace: str) -> ClusterView:
    """Return the view as it is once the namespace exists and has the label."""
    known = view.namespaces or EMPTY
    return replace(view, namespaces={**known, namespace: {**known.get(namespace, EMPTY), INJECT_KEY: "enabled"}})


def unknown_setting(labels: Mapping[str, str] | None) -> str:
    """Return the value of the namespace's label if the webhook does not know it, else an empty text."""
    setting = (labels or EMPTY).get(INJECT_KEY, "")
    return "" if setting in KNOWN_SETTINGS else setting


def opt_in_command(namespace: str, labels: Mapping[str, str] | None) -> str:
    """Return the command that opts a namespace in."""
    overwrite = " --overwrite" if INJECT_KEY in (labels or EMPTY) else ""
    return f"kubectl label namespace {quote(namespace)} {INJECT_KEY}=enabled{overwrite}"
