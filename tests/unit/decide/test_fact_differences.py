"""What differs between a node's own report and its labels, and what does not."""

from dataclasses import replace

import pytest

from webhook.decide.nodes.fact_differences import differences, labelled_version, missing_reports
from webhook.decide.nodes.known_facts import KnownFacts
from webhook.node_facts.facts_report import NodeFacts
from webhook.policy.model import Policy
from webhook.view.node_facts_pods import DAMAGED, NAMES_CLASS, NodeFactsPod
from webhook.view.view import ClusterView, Node

PRESENT = {"nvidia.com/gpu.present": "true"}
PCI = {"feature.node.kubernetes.io/pci-10de.present": "true"}
FULL = "nvidia.com/cuda.driver-version.full"
PARTS = {"nvidia.com/cuda.driver.major": "570", "nvidia.com/cuda.driver.minor": "86"}
PASSTHROUGH = "nvidia.com/gpu.workload.config=vm-passthrough"
NO_GPU: dict[str, int] = {}
DRIVER, VFIO = {"nvidia": 1}, {"vfio-pci": 1}
TABLE = [
    (PRESENT, NodeFacts(gpus=DRIVER), ()),
    (PRESENT, NodeFacts(gpus=NO_GPU), ("it has the label nvidia.com/gpu.present=true, but reports no NVIDIA GPU",)),
    (PRESENT, NodeFacts(gpus={"none": 1}), ()),
    # Some of the GPUs are for containers.
    (PRESENT, NodeFacts(gpus={"nvidia": 3, "vfio-pci": 1}), ()),
    (PRESENT, NodeFacts(is_wsl=True), ()),
    (PRESENT, NodeFacts(is_tegra=True, architecture="arm64"), ()),
    # A PCI device is there, whatever driver it has.
    (PCI, NodeFacts(gpus=VFIO), ()),
    (PCI, NodeFacts(gpus=NO_GPU), (f"it has the label {next(iter(PCI))}=true, but reports no NVIDIA GPU",)),
    ({**PRESENT, "nvidia.com/gpu.workload.config": "vm-passthrough"}, NodeFacts(gpus=VFIO), ()),
    (
        {"nvidia.com/gpu.workload.config": "vm-passthrough"},
        NodeFacts(gpus=DRIVER),
        (f"it has the label {PASSTHROUGH}, but reports 1 NVIDIA GPU with the driver nvidia",),
    ),
    ({FULL: "570.86.15"}, NodeFacts(gpus=DRIVER, driver_version="570.86.15"), ()),
    (PARTS, NodeFacts(gpus=DRIVER, driver_version="570.86.15"), ()),
    (
        {FULL: "570.8"},
        NodeFacts(gpus=DRIVER, driver_version="570.86.15"),
        ("its label says driver 570.8, but it reports driver 570.86.15",),
    ),
    (
        {FULL: "550.54"},
        NodeFacts(gpus={"none": 1}),
        ("its label says driver 550.54, but it reports 1 NVIDIA GPU with no driver",),
    ),
    # The version of a driver that runs could not be read.
    ({FULL: "550.54"}, NodeFacts(gpus=DRIVER), ()),
]


@pytest.mark.parametrize(("labels", "facts", "expected"), TABLE)
def test_what_differs_from_labels(labels: dict[str, str], facts: NodeFacts, expected: tuple[str, ...]) -> None:
    """A contradiction is shown; what is not known, or agrees, is not."""
    assert tuple(differences(Node("n", labels=labels), KnownFacts(facts), Policy())) == expected


def test_what_differs_from_quantities_and_arguments() -> None:
    """A plugin that offers GPUs where there are none, and a default runtime that was changed after the start."""
    node = Node("n", allocatable={"nvidia.com/gpu": "2", "cpu": "8"}, default_runtime="runc")
    found = tuple(differences(node, KnownFacts(NodeFacts(), failure="nvml error"), Policy()))
    assert found == (
        "it offers nvidia.com/gpu: 2, but reports no NVIDIA GPU",
        "it was started with the default runtime runc, but NVIDIA's runtime is the default",
    )
    assert not tuple(differences(replace(node, allocatable={}), KnownFacts(), Policy()))


def test_a_version_is_read_from_its_parts_as_far_as_they_are_known() -> None:
    """Older versions of feature discovery have a label for each part."""
    assert labelled_version(Node("n", labels=PARTS)) == "570.86"
    assert labelled_version(Node("n", labels={"nvidia.com/cuda.driver.minor": "86"})) == ""


REPORT = NodeFactsPod("n", "u", NodeFacts(boot_id="b-1"))


@pytest.mark.parametrize(
    ("pods", "says"),
    [
        ((), "no pod"),
        ((replace(REPORT, node="m"),), "no pod"),
        ((replace(REPORT, owner="forged"),), "no pod"),
        ((replace(REPORT, facts=None),), "not reported yet"),
        ((replace(REPORT, facts=None, unreadable=DAMAGED),), DAMAGED),
        ((replace(REPORT, facts=None, unreadable=NAMES_CLASS),), NAMES_CLASS),
        # One of two pods reports.
        ((replace(REPORT, facts=None, unreadable=DAMAGED), REPORT), ""),
        ((replace(REPORT, facts=NodeFacts(boot_id="b-0")),), "earlier boot"),
        ((replace(REPORT, facts=None, failure="nvml error"),), ""),
        ((REPORT,), ""),
        # During a rollout the pod before is still there.
        ((replace(REPORT, facts=None), REPORT), ""),
    ],
)
def test_why_a_report_is_missing(pods: tuple[NodeFactsPod, ...], says: str) -> None:
    """Each reason has its own words; a node that reports is not named."""
    view = ClusterView(facts_pods={f"x/{at}": pod for at, pod in enumerate(pods)}, facts_daemon_sets={"x/d": "u"})
    found = [why for _, why in missing_reports(view, [Node("n", boot_id="b-1")])]
    assert (len(found), says in "".join(found)) == (1 if says else 0, True)
    assert not list(missing_reports(replace(view, facts_daemon_sets={}), [Node("n")]))
