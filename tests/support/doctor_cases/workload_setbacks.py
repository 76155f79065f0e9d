"""Clusters spoilt for the check of patches that failed."""

from typing import Any

from support.doctor_cases.table import spoils
from support.doctor_world import Cluster, event

MESSAGE = 'Failed to create pod sandbox: rpc error: no runtime for "nvidia" is configured'


def about(item: dict[str, Any], **fields: str) -> dict[str, Any]:
    """Return an Event about an object with a UID."""
    return {**item, "involvedObject": {**item["involvedObject"], "uid": "uid-1", **fields}}


@spoils("setbacks-workloads", "new GPU pods of ml may be left alone (setback)")
def failed_sandbox(cluster: Cluster) -> None:
    """The node lacks the handler."""
    cluster.add(about(event(MESSAGE)))


@spoils("setbacks-workloads", "correct `drivers` or `libraries` in the policy")
def missing_library(cluster: Cluster) -> None:
    """The driver's files are elsewhere."""
    said = (
        'MountVolume.SetUp failed for volume "gpu-injector-libcuda-so-1" : hostPath type check failed: /x is not a file'
    )
    cluster.add(about(event(said, reason="FailedMount")))


@spoils(
    "setbacks-workloads", "allow the change there, or label the pod or its namespace gpu-injector.io/inject=disabled"
)
def refused(cluster: Cluster) -> None:
    """A policy refuses what was added; quotas and other refusals are no failures of a patch."""
    said = (
        'pods "x" is forbidden: violates PodSecurity "baseline": hostPath volumes (volume "gpu-injector-libcuda-so-1")'
    )
    cluster.add(about(event(said, reason="FailedCreate"), kind="ReplicaSet", name="model-7c9d"))
