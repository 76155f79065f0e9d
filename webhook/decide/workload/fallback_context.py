"""What the rules of the fallback read."""

from dataclasses import dataclass

from webhook.decide.decision import Reason, Verdict
from webhook.decide.guards import GuardedPod
from webhook.decide.nodes.candidates import Candidate
from webhook.decide.nodes.common_handler import common_handler
from webhook.decide.nodes.kind import NodeKind
from webhook.decide.nodes.providers import provider
from webhook.decide.pod import Container
from webhook.decide.rule import RuleResult
from webhook.decide.workload.patch_libraries import host_files
from webhook.decide.workload.seen_failures import SeenFailures
from webhook.nvidia.own_driver_mounts import HostFile
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, unknown_kinds

REASON_PREFIX = {
    Reason.RUNTIME_CLASS_MISSING: 'RuntimeClass "{}" not found',
    Reason.HANDLER_MISSING: 'no node runs RuntimeClass "{}"',
    Reason.HANDLER_UNKNOWN: 'nodes do not show RuntimeClass "{}"',
}


@dataclass(frozen=True, slots=True)
class FallbackContext:
    """The reason that led here, and all that the rules read. ``candidates`` are those of the pod without any class."""

    reason: Reason
    policy: Policy
    view: ClusterView
    guarded: GuardedPod
    candidates: tuple[Candidate, ...]
    containers: tuple[Container, ...]
    seen_failures: SeenFailures
    is_always: bool = False

    @property
    def resources(self) -> frozenset[str]:
        """The GPU resources that the pod requests."""
        return frozenset[str]().union(*(container.gpu_resources for container in self.containers))

    @property
    def files(self) -> tuple[HostFile, ...]:
        """The files to mount; all candidates have the same driver when this is read."""
        kind = self.candidates[0].kind
        return host_files(self.policy, kind.driver, kind.driver_version) if kind.driver else ()

    @property
    def providing(self) -> tuple[str, ...]:
        """An example of each kind of candidates on which something else hands the GPUs out."""
        return tuple(item.example for item in self.candidates if provider(item.kind, self.policy, self.resources))

    @property
    def handler_for_class(self) -> str:
        """The handler for the class if nothing but the class is missing, else empty."""
        if self.reason is not Reason.RUNTIME_CLASS_MISSING or self.providing:
            return ""
        return common_handler((item.kind.handlers for item in self.candidates), self.policy.runtime_class)

    def leave(self, reason: Reason, why: str) -> RuleResult:
        """Return the result that mounts nothing, with a warning that says why."""
        lead = REASON_PREFIX[self.reason].format(self.policy.runtime_class)
        nothing = "no class was set" if self.is_always else "no GPU libraries were added"
        warning = f"{lead}; {nothing}: {why}"
        if handler := self.handler_for_class:
            warning = f"{lead}; all nodes have its handler: create it (Helm: runtimeClass.create=true)"
            why = f"{why}; every node that the pod may run on reports the handler {handler}"
        return RuleResult(Verdict.LEAVE, reason, warning, (lead, why, *self.evidence()))

    def evidence(self) -> tuple[str, ...]:
        """Return what each kind of candidate shows of its driver."""
        shown = (f"{item.example}: {_describe(item.kind)}" for item in self.candidates)
        return (*shown, *unknown_kinds(self.view))


def _describe(kind: NodeKind) -> str:
    if kind.nvml is None:
        return "no device plugin is known"
    driver = f"driver in {kind.driver.directory}" if kind.driver else "no driver profile"
    seen = f" ({kind.observed} without our patch)" if kind.observed else ""
    way = "our mount" if kind.bootstrapped else kind.nvml
    return f"the plugin has NVML by {way}{seen}, {driver}"
