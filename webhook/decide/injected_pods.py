"""How many GPU pods of each namespace carry our patch, by the annotation of the webhook."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from webhook.decide.decision import Verdict
from webhook.decide.pod import Pod, annotations, label, requests_gpu
from webhook.decide.workload.context import setting_of
from webhook.kube.metadata import name_of, namespace_of
from webhook.kube.values import mapping, text
from webhook.names import DECISION_KEY, INJECT_KEY
from webhook.policy.model import Policy

ENDED = frozenset({"Succeeded", "Failed"})
NAMES_SHOWN = 3


@dataclass(slots=True)
class InjectedPods:
    """The counts of one namespace. ``unseen`` pods have no annotation; the names of some of them are kept."""

    injected: int = 0
    total: int = 0
    unseen: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, pod: Pod, policy: Policy) -> None:
        """Count a pod, if it requests a GPU, has not ended, and was not opted out by its author."""
        phase = text(mapping(pod.get("status")).get("phase"))
        if phase in ENDED or label(pod, INJECT_KEY) == "disabled" or not requests_gpu(pod, policy):
            return
        word = text(annotations(pod).get(DECISION_KEY))
        self.total += 1
        self.injected += word.partition("/")[0] in (Verdict.INJECT, Verdict.MOUNT)
        if not word:
            self.unseen += 1
            self.names += [name_of(pod)][: NAMES_SHOWN - len(self.names)]


def no_pods_yet(namespaces: Mapping[str, Mapping[str, str]], policy: Policy) -> dict[str, InjectedPods]:
    """Return empty counts for each namespace, of those with these labels, whose pods are patched."""
    if policy.dry_run:
        return {}
    settings = {name: setting_of(name, labels, policy) for name, labels in namespaces.items()}
    return {name: InjectedPods() for name, setting in settings.items() if setting == "enabled"}


def count_pod(counts: Mapping[str, InjectedPods], policy: Policy, pod: Pod) -> None:
    """Add a pod to the counts of its namespace, if that is counted."""
    if found := counts.get(namespace_of(pod)):
        found.add(pod, policy)


def injected_lines(found: Mapping[str, InjectedPods]) -> Iterator[str]:
    """Yield a line for each namespace that has GPU pods."""
    for namespace, one in sorted(found.items()):
        if not one.total:
            continue
        line = f"{namespace}: {one.injected} of {one.total} GPU pods injected"
        if one.unseen:
            more = f" and {one.unseen - len(one.names)} more" if one.unseen > len(one.names) else ""
            line += f"; the webhook was not called for {one.unseen}, or failed: {', '.join(one.names)}{more}"
        yield line
