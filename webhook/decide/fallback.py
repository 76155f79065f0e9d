"""The fallback: where no RuntimeClass works, may the driver's libraries be mounted? Rows a to g of the design."""

from collections.abc import Callable
from dataclasses import dataclass

from webhook.cluster.drivers import HostDriver
from webhook.decide.decision import Finding, Reason, Verdict
from webhook.decide.gpu_nodes import Candidate
from webhook.decide.handler import node_provider, provider
from webhook.decide.mount import DEFAULT_LIBRARIES, HostFile, host_files, is_blocked, needs_version
from webhook.decide.nodes import NodeKind
from webhook.decide.pod import Container
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Labels, Nvml, unknown_kinds

# https://kubernetes.io/docs/concepts/security/pod-security-admission/
ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"

# Admission of the cluster's own that usually refuses hostPath volumes.
GUARDS = {
    "security.openshift.io": "SecurityContextConstraints",
    "kyverno.io": "Kyverno",
    "templates.gatekeeper.sh": "Gatekeeper",
}

LEADS = {
    Reason.RUNTIME_CLASS_MISSING: 'RuntimeClass "{}" not found',
    Reason.HANDLER_MISSING: 'no node runs RuntimeClass "{}"',
    Reason.HANDLER_UNKNOWN: 'nodes do not show RuntimeClass "{}"',
}


@dataclass(frozen=True, slots=True)
class Fallback:
    """What led here, and all that the rows look at. ``candidates`` are those of the pod without any class."""

    reason: Reason
    policy: Policy
    view: ClusterView
    namespace_labels: Labels
    candidates: tuple[Candidate, ...]
    containers: tuple[Container, ...]

    def decide(self) -> Finding:
        """Return what was found; for the verdict ``mount`` it carries the files."""
        return next(finding for row in ROWS if (finding := row(self)))

    def mount(self) -> Finding:
        """Mount the files, unless the author's own mounts leave one of them no place."""
        files = self._files()
        if any(is_blocked(container, files) for container in self.containers):
            evidence = ("the author mounts something at every place for a library",)
            return Finding(Verdict.LEAVE, Reason.MOUNT_CONFLICT, evidence=evidence)
        return Finding(Verdict.MOUNT, self.reason, self._devices_warning(), self.evidence(), files)

    def _files(self) -> tuple[HostFile, ...]:
        kind = self.candidates[0].kind
        return host_files(self.policy, kind.driver, kind.driver_version) if kind.driver else ()

    def not_wanted(self) -> Finding | None:
        """The policy may want no fallback."""
        if self.policy.fallback != "off":
            return None
        return self._leave(self.reason, "the fallback is off")

    def not_needed(self) -> Finding | None:
        """Mount only where every candidate is known to need it; a platform that provides is never touched."""
        if any(provider(item.kind, self.policy) for item in self.candidates):
            return self._leave(self.reason, "some nodes hand GPUs out by themselves")
        if self.policy.fallback == "on" or (
            self.candidates and all(_needs_libraries(item.kind) for item in self.candidates)
        ):
            return None
        if self.candidates and all(node_provider(item.kind) for item in self.candidates):
            evidence = tuple(f"{item.example}: the plugin found the driver by itself" for item in self.candidates)
            return Finding(Verdict.LEAVE, Reason.PLATFORM_PROVIDES, evidence=evidence)
        return self._leave(self.reason, self._why_unknown())

    def _why_unknown(self) -> str:
        if self.view.nodes is None:
            return "nodes are unknown"
        if any(_may_provide(item.kind) for item in self.candidates):
            return "NVIDIA's runtime may be the nodes' default"
        return "nodes are not known to need them"

    def refused(self) -> Finding | None:
        """Leave it where admission would refuse a hostPath: the pod would be rejected."""
        level = self.namespace_labels.get(ENFORCE_LABEL, self.policy.pod_security_default)
        if level != "privileged":
            return self._leave(Reason.POD_SECURITY, f'namespace enforces PodSecurity "{level}"')
        if self.policy.host_path_granted:
            return None
        if self.view.api_groups is None:
            return self._leave(Reason.POD_SECURITY, "the cluster's admission policies are unknown")
        guard = next((name for group, name in GUARDS.items() if group in self.view.api_groups), None)
        return self._leave(Reason.POD_SECURITY, f"{guard} may refuse hostPath") if guard else None

    def driver_unfit(self) -> Finding | None:
        """One pod can name only one driver's files, and a file that is missing keeps it waiting for ever."""
        drivers = {item.kind.driver for item in self.candidates}
        versions = {item.kind.driver_version for item in self.candidates} if needs_version(self.policy) else {"-"}
        if not drivers or None in drivers or "" in versions:
            return self._leave(Reason.DRIVER_UNKNOWN, "the nodes' driver is not known")
        if len(drivers) > 1 or len(versions) > 1:
            return self._leave(Reason.DRIVER_MIXED, "nodes differ in their driver")
        if not all(self._is_proven(item.kind) for item in self.candidates):
            return self._leave(Reason.DRIVER_UNPROVEN, "nobody vouches for the driver's files")
        return None

    def _is_proven(self, kind: NodeKind) -> bool:
        """Say whether every library stands where the profile says: a missing file keeps a pod waiting for ever."""
        driver: HostDriver | None = kind.driver
        if driver is None or (kind.nvml_directory and kind.nvml_directory != driver.directory):
            return False
        return driver.complete or set(DEFAULT_LIBRARIES) <= set(self.policy.libraries)

    def _leave(self, reason: Reason, why: str) -> Finding:
        lead = LEADS[self.reason].format(self.policy.runtime_class)
        return Finding(
            Verdict.LEAVE, reason, f"{lead}; no GPU libraries were added: {why}", (lead, why, *self.evidence())
        )

    def _devices_warning(self) -> str:
        if self.policy.devices == "plugin" and any(item.kind.passes_devices is False for item in self.candidates):
            return "libraries are mounted, but the device plugin passes no devices (set PASS_DEVICE_SPECS=true)"
        return ""

    def evidence(self) -> tuple[str, ...]:
        """Return what each kind of candidate shows of its driver."""
        shown = (f"{item.example}: {_describe(item.kind)}" for item in self.candidates)
        return (*shown, *unknown_kinds(self.view))


ROWS: tuple[Callable[[Fallback], Finding | None], ...] = (
    Fallback.not_wanted,
    Fallback.not_needed,
    Fallback.refused,
    Fallback.driver_unfit,
    Fallback.mount,
)


def _needs_libraries(kind: NodeKind) -> bool:
    # The plugin would not need a mount if the default runtime were NVIDIA's.
    return kind.nvml is Nvml.MOUNT and kind.plugin_runs and not kind.of_platform and not _may_provide(kind)


def _may_provide(kind: NodeKind) -> bool:
    # A mount of ours proves less than one by hand: nobody has seen the plugin fail without it, so where the runtime
    # knows NVIDIA's, that may well be the default, and bring the libraries into every pod.
    return kind.bootstrapped and any("nvidia" in handler for handler in kind.handlers or ())


def _describe(kind: NodeKind) -> str:
    if kind.nvml is None:
        return "no device plugin is known"
    driver = f"driver in {kind.driver.directory}" if kind.driver else "no driver profile"
    return f"the plugin has NVML by {kind.nvml}, {driver}"
