"""Which node facts count: of a pod that our DaemonSet owns, and seen since the node's last boot."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from webhook.kube.values import EMPTY
from webhook.node_facts.facts_report import NVIDIA_DRIVER, NodeFacts
from webhook.nvidia.driver_directory import HostDriver, HostDrivers
from webhook.nvidia.special_hosts import is_wsl, special_host
from webhook.view.node_facts_pods import NodeFactsPod
from webhook.view.view import ClusterView, Node


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """The facts that count for one node; ``failure`` is why the default runtime, NVIDIA's, cannot create containers."""

    facts: NodeFacts | None = None
    failure: str = ""

    @property
    def has_nvidia_default(self) -> bool:
        """Say whether NVIDIA's runtime is the node's default: it added a GPU to a container, or failed to."""
        return bool(self.failure) or (self.facts is not None and self.facts.added is True)

    @property
    def shows_gpu(self) -> bool | None:
        """Whether containers can have a GPU here, None where that is not known."""
        return self.facts.shows_gpu if self.facts else None

    @property
    def is_unusual_host(self) -> bool:
        """Say whether the driver is not where the name of the system suggests (Tegra, WSL2)."""
        return self.is_wsl or (self.facts is not None and self.facts.is_tegra)

    @property
    def is_wsl(self) -> bool:
        """Say whether the host is WSL2."""
        return self.facts is not None and self.facts.is_wsl

    @property
    def why_unusual(self) -> str:
        """Why no driver profile fits, empty for an ordinary host; rules before this one speak of WSL2."""
        why = "it reports to be a Tegra system, whose libraries only NVIDIA's runtime knows"
        return why if self.is_unusual_host else ""

    @property
    def driver_version(self) -> str:
        """The version of the loaded driver, empty where not known."""
        return self.facts.driver_version if self.facts else ""


NO_FACTS = KnownFacts()


def facts_by_node(view: ClusterView) -> Mapping[str, KnownFacts]:
    """Return the facts that count, by the node's name; empty where node facts are off."""
    owners = frozenset(view.facts_daemon_sets.values())
    nodes = view.nodes or EMPTY
    found: dict[str, KnownFacts] = {}
    for _, pod in sorted(view.facts_pods.items(), key=lambda item: (item[1].created, item[0])):
        node = nodes.get(pod.node)
        if node and pod.owner and pod.owner in owners:
            known = _known(pod, node)
            if known != NO_FACTS:
                found[pod.node] = known
    return found


def facts_on(view: ClusterView, node: Node) -> KnownFacts:
    """Return the facts that count for one node."""
    return facts_by_node(reports_of(view, [node])).get(node.name, NO_FACTS)


def reports_of(view: ClusterView, nodes: Iterable[Node]) -> ClusterView:
    """Return the part of a view that has the reports of some nodes, by one pass over all reports."""
    known = {node.name: node for node in nodes}
    pods = {key: pod for key, pod in view.facts_pods.items() if pod.node in known}
    return ClusterView(nodes=known, facts_pods=pods, facts_daemon_sets=view.facts_daemon_sets)


def _known(pod: NodeFactsPod, node: Node) -> KnownFacts:
    return KnownFacts(pod.facts if pod.facts and is_current(pod.facts, node) else None, pod.failure)


def is_current(facts: NodeFacts, node: Node) -> bool:
    """Say whether a report is of the node's last boot. The kernel of a sandbox (gVisor, Kata) has an ID of its own."""
    return bool(node.boot_id) and facts.boot_id == node.boot_id


def driver_of(host: Node, known: KnownFacts, drivers: HostDrivers) -> HostDriver | None:
    """Return where a node keeps its driver's libraries, None where nothing tells; its own report comes first."""
    # What labels or the kernel show already has a profile, or none.
    return None if known.is_unusual_host and special_host(host) is None and not is_wsl(host) else drivers.of(host)


def describe(name: str, known: KnownFacts) -> Iterator[str]:
    """Yield what is known of a node, in sentences."""
    if known.facts:
        yield f"{name} reports: {describe_gpus(known.facts)}"
    if known.has_nvidia_default:
        yield why_default(name, known)


def summary(known: KnownFacts) -> str:
    """Return what a node reports in a few words, empty where it reports nothing."""
    if known.failure:
        return "NVIDIA's runtime is the default, and fails"
    shown = describe_gpus(known.facts) if known.facts else ""
    return f"{shown}; the default runtime adds GPUs" if known.has_nvidia_default else shown


def why_default(name: str, known: KnownFacts) -> str:
    """Return what shows that NVIDIA's runtime is the default, empty for nothing."""
    if known.failure:
        return f"{name} reports: NVIDIA's runtime is the default, and fails: {known.failure}"
    return f"{name} reports: the default runtime adds GPUs to containers" if known.has_nvidia_default else ""


def describe_gpus(facts: NodeFacts) -> str:
    """Return the GPUs of a report and their drivers, for people."""
    version = f" {facts.driver_version}" if facts.driver_version else ""
    if facts.has_mig:
        return f"{describe_gpus(replace(facts, has_mig=False))}, with MIG devices"
    if facts.is_tegra:
        return f"a Tegra GPU, driver{version or ' version unknown'}"
    if not facts.gpus:
        return "WSL, which shows no PCI device" if facts.is_wsl else "no NVIDIA GPU"
    shown = (
        f"{count} NVIDIA GPU{'s' if count > 1 else ''} with "
        + (f"the driver {driver}{version if driver == NVIDIA_DRIVER else ''}" if driver != "none" else "no driver")
        for driver, count in sorted(facts.gpus.items())
    )
    return ", ".join(shown)
