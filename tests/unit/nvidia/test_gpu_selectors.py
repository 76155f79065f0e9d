"""A selector of an NVIDIA plugin shows which nodes it is for."""

from collections.abc import Mapping
from typing import Any

import pytest

from webhook.kube.node_affinity import selects
from webhook.nvidia.gpu_labels import LabelEvidence
from webhook.nvidia.gpu_selectors import selector_evidence
from webhook.view.view import Node

GPU, PCI, TEGRA = LabelEvidence.GPU, LabelEvidence.PCI, LabelEvidence.TEGRA
NFD = "feature.node.kubernetes.io"
TYPE = "node.kubernetes.io/instance-type"
PCI_KEY, TEGRA_KEY, PRESENT = f"{NFD}/pci-10de.present", f"{NFD}/cpu-model.vendor_id", "nvidia.com/gpu.present"


def affinity(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a spec whose required node affinity has these terms."""
    return required([{"matchExpressions": expressions} for expressions in terms])


def required(terms: object) -> dict[str, Any]:
    """Return a spec with raw terms."""
    node = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": node}}


def among(key: str, *values: str) -> dict[str, Any]:
    """Return an expression with the operator In."""
    return {"key": key, "operator": "In", "values": [*values]}


def has(key: str, operator: str = "Exists", *values: str) -> dict[str, Any]:
    """Return an expression with another operator."""
    return {"key": key, "operator": operator, **({"values": [*values]} if values else {})}


NVIDIAS_CHART = affinity([among(PCI_KEY, "true")], [among(TEGRA_KEY, "NVIDIA")], [among(PRESENT, "true")])


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ({}, None),
        ({"nodeSelector": {"accelerator": "nvidia"}}, GPU),
        ({"nodeSelector": {"accelerator": "amd"}}, None),
        ({"nodeSelector": {"accelerator": "mi300x"}}, None),
        ({"nodeSelector": {"vendor": "nvidia"}}, GPU),
        ({"nodeSelector": {"hardware-type": "NVIDIAGPU"}}, GPU),
        ({"nodeSelector": {"gpu": "on"}}, GPU),
        ({"nodeSelector": {"node-type": "gpu"}}, GPU),
        ({"nodeSelector": {"eks.amazonaws.com/nodegroup": "gpu-nodes"}}, GPU),
        ({"nodeSelector": {"agentpool": "gpunp"}}, GPU),
        ({"nodeSelector": {"pool": "a100"}}, GPU),
        ({"nodeSelector": {"pool": "rtx4090-nodes"}}, GPU),
        ({"nodeSelector": {TYPE: "g5.xlarge"}}, GPU),
        ({"nodeSelector": {TYPE: "m5.xlarge"}}, None),
        ({"nodeSelector": {TYPE: "g4ad.xlarge"}}, None),
        (affinity([among(TYPE, "g5.xlarge", "Standard_NC6s_v3")]), GPU),
        (affinity([among(TYPE, "g5.xlarge", "m5.xlarge")]), None),
        ({"nodeSelector": {"pool": "amd-gpu"}}, None),
        ({"nodeSelector": {"pool": "no-gpu"}}, None),
        ({"nodeSelector": {"pool": "nogpu"}}, None),
        ({"nodeSelector": {"pool": "cpu-not-gpu"}}, None),
        ({"nodeSelector": {"topology.kubernetes.io/zone": "a2"}}, None),
        ({"nodeSelector": {"gpu": "false"}}, None),
        ({"nodeSelector": {"nvidia.com/gpu": "present"}}, GPU),
        ({"nodeSelector": {"nvidia.com/mps.capable": "true"}}, GPU),
        ({"nodeSelector": {"nvidia.com/gpu.deploy.device-plugin": "true"}}, GPU),
        ({"nodeSelector": {PRESENT: "true"}}, GPU),
        ({"nodeSelector": {PRESENT: "false"}}, None),
        ({"nodeSelector": {"nvidia.com/gpu.workload.config": "vm-passthrough"}}, None),
        ({"nodeSelector": {"node-role.kubernetes.io/gpu": ""}}, GPU),
        ({"nodeSelector": {"kubernetes.io/hostname": "gpu-1"}}, GPU),
        ({"nodeSelector": {"karpenter.k8s.aws/instance-gpu-manufacturer": "nvidia"}}, GPU),
        ({"nodeSelector": {"karpenter.k8s.aws/instance-gpu-name": "radeon-pro-v520"}}, None),
        ({"nodeSelector": {"kubernetes.io/os": "linux"}}, None),
        ({"nodeSelector": {PCI_KEY: "true"}}, PCI),
        ({"nodeSelector": {PCI_KEY: "true", "accelerator": "nvidia"}}, GPU),
        ({"nodeSelector": {f"{NFD}/pci-0200_10de.present": "true"}}, None),
        ({"nodeSelector": None}, None),
        ({"nodeSelector": ["gpu"]}, None),
        (affinity([among("accelerator", "nvidia")]), GPU),
        (affinity([among("accelerator", "nvidia", "nvidia-tesla-t4")]), GPU),
        (affinity([among("accelerator", "nvidia", "amd")]), None),
        (affinity([among(PCI_KEY, "true")]), PCI),
        (affinity([has(PCI_KEY)]), PCI),
        (affinity([has("cloud.google.com/gke-accelerator")]), GPU),
        (affinity([has("nvidia.com/gpu.count", "Gt", "0")]), GPU),
        (affinity([has("karpenter.k8s.aws/instance-gpu-count", "Gt", "0")]), GPU),
        (affinity([has("nvidia.com/gpu.present", "DoesNotExist")]), None),
        (affinity([has("accelerator", "NotIn", "amd")]), None),
        (affinity([among("gpu")]), None),
        (affinity([has("amd.com/gpu")]), None),
        (affinity([among("kubernetes.io/os", "linux"), among("gpu", "true")]), GPU),
        (affinity([among("gpu", "true")], [among("kubernetes.io/os", "linux")]), None),
        (affinity([among("gpu", "true")], [has(PCI_KEY)]), PCI),
        (NVIDIAS_CHART, TEGRA),
        (required([{"matchFields": [among("metadata.name", "gpu-1")]}]), None),
        (required([{}]), None),
        (required([]), None),
        (required("x"), None),
        (required([None, {"matchExpressions": [None, among("gpu", "true")]}]), GPU),
        (required([{"matchExpressions": [{"key": None, "operator": "In", "values": None}]}]), None),
        ({**affinity([among("os", "x")]), "nodeSelector": {"gpu": "true"}}, GPU),
        ({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{}]}}}, None),
        (affinity(*([[among("gpu", "true")]] * 500)), GPU),
        (affinity(*([[among("gpu", "true")]] * 501)), None),
        (affinity([among("gpu", *["true"] * 1001)]), None),
    ],
)
def test_a_selector_shows_gpu_nodes_by_key_or_by_value(spec: Mapping[str, Any], kind: LabelEvidence | None) -> None:
    """Terms and values are alternatives: each of them must show it, and the weakest counts."""
    found = selector_evidence(spec)
    assert (found.kind if found else None) is kind


@pytest.mark.parametrize(
    ("labels", "kind", "text"),
    [
        ({PRESENT: "true"}, GPU, f"affinity {PRESENT} In true"),
        ({PCI_KEY: "true"}, PCI, f"affinity {PCI_KEY} In true"),
        ({TEGRA_KEY: "NVIDIA"}, TEGRA, f"affinity {TEGRA_KEY} In NVIDIA"),
        ({PCI_KEY: "true", PRESENT: "true"}, GPU, f"affinity {PRESENT} In true"),
        ({}, None, ""),
    ],
)
def test_of_nvidias_affinity_the_term_counts_that_selects_the_node(
    labels: Mapping[str, str], kind: LabelEvidence | None, text: str
) -> None:
    """The chart's terms are alternatives of different strength."""
    node = Node("n", labels=labels)
    found = selector_evidence(NVIDIAS_CHART, lambda term: selects(required([term]), node))
    assert (found.kind if found else None, found.text if found else "") == (kind, text)
