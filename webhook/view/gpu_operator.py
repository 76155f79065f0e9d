"""NVIDIA's GPU Operator: how its ClusterPolicy says that pods get their GPUs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook.kube.metadata import labels_of, name_of
from webhook.kube.values import items, mapping, text

# The toolkit's container makes NVIDIA's runtime the default one, unless one of these says false.
# Source: https://github.com/NVIDIA/nvidia-container-toolkit/tree/main/cmd/nvidia-ctk-installer
SET_AS_DEFAULT = frozenset(
    f"{runtime}_SET_AS_DEFAULT" for runtime in ("NVIDIA_RUNTIME", "CONTAINERD", "CRIO", "DOCKER")
)
# What Go's strconv.ParseBool reads as false.
FALSE_WORDS = frozenset({"0", "f", "F", "false", "FALSE", "False"})
# From this version on, CDI is enabled where the field is absent.
CDI_BY_DEFAULT_SINCE = (25, 10)
VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(\.\d{1,4})?([-+].{0,64})?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ClusterPolicy:
    """What a ClusterPolicy of the GPU Operator says.

    ``cdi`` is ``cdi.enabled`` where it is true; ``cdi_enabled`` is None where the field is absent. ``version`` is the
    operator's (major, minor), None where nothing shows it. ``keeps_default_runtime`` says that the toolkit is set not
    to make NVIDIA's runtime the default.
    """

    cdi: bool
    nri: bool
    cdi_enabled: bool | None = None
    toolkit_enabled: bool = True
    keeps_default_runtime: bool = False
    version: tuple[int, int] | None = None

    @property
    def uses_cdi(self) -> bool | None:
        """Whether the operator hands GPUs out by CDI; None where that depends on a version that is unknown."""
        if self.cdi or self.cdi_enabled is not None:
            return self.cdi or bool(self.cdi_enabled)
        return None if self.version is None else self.version >= CDI_BY_DEFAULT_SINCE


@dataclass(frozen=True, slots=True)
class GpuCluster:
    """A GPUCluster of the GPU Operator: only DRA provides GPUs, there is no device plugin."""

    name: str


def project_cluster_policy(item: Mapping[str, Any]) -> ClusterPolicy:
    """Keep how NVIDIA's GPU Operator hands GPUs out."""
    spec = mapping(item.get("spec"))
    cdi, toolkit = mapping(spec.get("cdi")), mapping(spec.get("toolkit"))
    enabled = cdi.get("enabled")
    return ClusterPolicy(
        cdi=enabled is True,
        nri=cdi.get("nriPluginEnabled") is True,
        cdi_enabled=enabled if isinstance(enabled, bool) else None,
        # The operator takes an absent field as true.
        toolkit_enabled=toolkit.get("enabled") is not False,
        keeps_default_runtime=any(
            text(entry.get("name")) in SET_AS_DEFAULT and text(entry.get("value")).strip() in FALSE_WORDS
            for entry in items(toolkit.get("env"))
        ),
        version=_version(item),
    )


def project_gpu_cluster(item: Mapping[str, Any]) -> GpuCluster:
    """Keep that a GPUCluster exists."""
    return GpuCluster(name_of(item))


def _version(item: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the operator's version, as its chart writes it into labels, or into the version of its validator."""
    labels = labels_of(item)
    candidates = (
        labels.get("app.kubernetes.io/version", ""),
        labels.get("helm.sh/chart", "").removeprefix("gpu-operator-"),
        text(mapping(mapping(item.get("spec")).get("validator")).get("version")),
    )
    for candidate in candidates:
        if found := VERSION.fullmatch(candidate):
            return int(found[1]), int(found[2])
    return None
