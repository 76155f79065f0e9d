"""The keys of the policy file, their defaults and their allowed values."""

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
# The name of an extended resource, or a prefix with "*". "vendor/*" is refused: passthrough and network devices
# share the vendor's prefix. Quotes are refused, because the text becomes part of CEL expressions.
RESOURCE_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9][-A-Za-z0-9_.]*\*?$"
CAPABILITIES = r"^$|^[a-z0-9]+(,[a-z0-9]+)*$"
# A file name of a driver library, never a path: the directory comes from the driver profile.
LIBRARY_NAME = r"^lib[A-Za-z0-9_+-]+\.so(\.(\d+|\{driver_version\}))*$"
NVML_NAME = r"^libnvidia-ml\.so(\.(\d+|\{driver_version\}))*$"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
# A taint's key, or the beginning of such keys.
TAINT_KEY = (
    r"^(([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
    r"|[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-A-Za-z0-9_.]*\*|[A-Za-z0-9][-A-Za-z0-9_.]*\*)$"
)
LABEL_VALUE = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
BINARY_NAME = r"^nvidia-[a-z0-9-]+$"
DIRECTORY = r"^(/([A-Za-z0-9_+-][A-Za-z0-9_.+-]*|\{triplet\}))+$"
PATTERN = r"^[^\x00-\x1f]*$"

Library = Annotated[str, StringConstraints(pattern=LIBRARY_NAME, max_length=128)]
Binary = Annotated[str, StringConstraints(pattern=BINARY_NAME, max_length=64)]
TaintKey = Annotated[str, StringConstraints(pattern=TAINT_KEY, max_length=317)]
ResourcePattern = Annotated[str, StringConstraints(pattern=RESOURCE_PATTERN, max_length=317)]


def _switch(value: object) -> object:
    # YAML parses on and off as true and false.
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


Fallback = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(_switch),
    WithJsonSchema({"enum": ["auto", "on", "off", True, False]}),
]
Recipe = Annotated[
    Literal["auto", "runtime-class", "driver-root", "nvml", "off"],
    BeforeValidator(_switch),
    WithJsonSchema({"enum": ["auto", "runtime-class", "driver-root", "nvml", "off", False]}),
]


class Overrule(StrEnum):
    """Reasons for leaving a GPU pod unchanged that an administrator can overrule."""

    CDI = "cdi"
    NRI = "nri"
    DRA = "dra"
    PLATFORM_PROVIDES = "platform-provides"
    CLASS_OVERHEAD = "class-overhead"
    ADMISSION_POLICY = "admission-policy"
    HANDLER_MIXED = "handler-mixed"
    PROVIDER_MIXED = "provider-mixed"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel, validate_by_name=True)


class Driver(_Model):
    """A custom driver profile: a kind of host, and the directory of its driver libraries."""

    os_image: Annotated[str, StringConstraints(pattern=PATTERN)] = Field(
        default="*", description="Pattern for the node's osImage."
    )
    kernel: Annotated[str, StringConstraints(pattern=PATTERN)] = Field(
        default="*", description="Pattern for the node's kernelVersion."
    )
    architecture: Literal["", "amd64", "arm64"] = Field(
        default="", description="The node's architecture, `amd64` or `arm64`; empty: any."
    )
    node_labels: dict[str, str] = Field(default_factory=dict, description="Labels that the node has.")
    directory: Annotated[str, StringConstraints(pattern=DIRECTORY)] = Field(
        description="The directory of the libraries; `{triplet}` is replaced by the triplet of the architecture."
    )
    complete: bool = Field(default=False, description="Confirm that each such node has every library there.")


class PluginRule(_Model):
    """A custom plugin: the label of its pods, and its container."""

    label: Annotated[str, StringConstraints(pattern=LABEL_KEY, max_length=317)] = Field(description="The label's key.")
    value: Annotated[str, StringConstraints(pattern=LABEL_VALUE, max_length=63)] = Field(
        description="The label's value."
    )
    container: Annotated[str, StringConstraints(pattern=DNS_SUBDOMAIN, max_length=63)] = Field(
        description="The container's name."
    )
    role: Literal["device-plugin", "other"] = Field(
        default="device-plugin", description="`device-plugin`, or `other`: another GPU management pod."
    )


class Bootstrap(_Model):
    """Settings for the device plugin's own pods."""

    namespaces: tuple[Annotated[str, StringConstraints(pattern=DNS_SUBDOMAIN, max_length=63)], ...] = Field(
        default=("kube-system",),
        description="The namespaces whose device plugins are trusted. Users who can create DaemonSets "
        "there are trusted.",
    )
    gpu_nodes: dict[str, str] = Field(default_factory=dict, description="Labels that every GPU node has.")
    plugins: tuple[PluginRule, ...] = Field(default=(), description="Plugins in addition to the known ones.")
    recipe: Recipe = Field(
        default="auto",
        description="How plugin pods get the driver. `auto`: chosen for each node; `runtime-class`, `driver-root` or "
        "`nvml`: that way only; `off`: not at all.",
    )
    library: Annotated[str, StringConstraints(pattern=NVML_NAME, max_length=128)] = Field(
        default="libnvidia-ml.so.1",
        description="The file that the recipe `nvml` mounts; `{driver_version}` is replaced.",
    )
    privileged_granted: bool = Field(
        default=False,
        description="Admission control (SCC, Kyverno, Gatekeeper, Kubewarden, ValidatingAdmissionPolicies) admits "
        "privileged plugin pods.",
    )
    repair: Literal["report", "undo", "evict"] = Field(
        default="undo",
        description="What to do with plugin pods that do not work. `report`: nothing; `undo`: delete a pod once, if "
        "our patch keeps it from starting; `evict`: also evict those that were created while the webhook was away.",
    )


class SetbackRules(_Model):
    """Settings for patches of ours that failed."""

    plugins: bool = Field(
        default=True, description="Remember where a patch of a plugin pod failed, and do not repeat it there."
    )
    workloads: bool = Field(
        default=True,
        description="Look at the Events of a namespace before a GPU pod is patched, and leave the pod alone where a "
        "patch like it failed within the last hour.",
    )


class Policy(_Model):
    """The policy file. Every default is a careful choice: an empty file works."""

    runtime_class: Annotated[str, StringConstraints(pattern=DNS_SUBDOMAIN, max_length=253)] = Field(
        default="nvidia", description="The RuntimeClass that GPU pods get."
    )
    resources: Annotated[tuple[ResourcePattern, ...], Field(min_length=1)] = Field(
        default=("nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-*"),
        description="The resources whose request makes a pod a GPU pod; `*` only at the end.",
    )
    dry_run: bool = Field(default=False, description="Patch nothing; only warn and record what would be done.")
    opt_out: bool = Field(
        default=False, description="Treat namespaces without our label as enabled, except system namespaces."
    )
    driver_capabilities: Annotated[str, StringConstraints(pattern=CAPABILITIES)] = Field(
        default="",
        description="NVIDIA_DRIVER_CAPABILITIES for containers that request a GPU and do not set it; empty: none.",
    )
    add_toleration: bool = Field(
        default=False, description="Add a toleration for the taint `nvidia.com/gpu` to injected pods."
    )

    overrule: tuple[Overrule, ...] = Field(
        default=(),
        description="Reasons for leaving GPU pods unchanged that do not apply in this cluster: `cdi`, `nri`, `dra`, "
        "`platform-provides`, `class-overhead`, `admission-policy`, `handler-mixed`, `provider-mixed`.",
    )
    hide_gpus: bool = Field(
        default=True,
        description="Hide GPUs from the containers of injected pods that request none (NVIDIA_VISIBLE_DEVICES=void).",
    )
    temporary_taints: tuple[TaintKey, ...] = Field(
        default=(),
        description="Taints that go away by themselves, besides those that are known; `*` at the end makes a prefix. "
        "Such a taint does not exclude a node from a decision.",
    )
    handler_unknown: Literal["inject", "fallback"] = Field(
        default="inject",
        description="What to do if nodes do not report their runtime handlers: `inject` the class, or use the "
        "`fallback`.",
    )
    fallback: Fallback = Field(
        default="auto",
        description="Mount the driver's libraries if the RuntimeClass cannot work. `auto`: if every candidate node is "
        "known to need it; `on`: if no candidate node is known to work without it; `off`: never.",
    )
    libraries: tuple[Library, ...] = Field(
        default=(),
        description="Libraries that the fallback mounts in addition to the default ones. Listing a library confirms "
        "that the nodes have it; `{driver_version}` is replaced.",
    )
    binaries: tuple[Binary, ...] = Field(default=(), description="Programs of /usr/bin that the fallback mounts.")
    devices: Literal["plugin", "privileged"] = Field(
        default="plugin",
        description="How the fallback gives access to the devices: by the `plugin`, or by a `privileged` container.",
    )
    pod_security_default: Literal["privileged", "baseline", "restricted"] = Field(
        default="privileged",
        description="The PodSecurity level that the API server enforces without a namespace label: `privileged`, "
        "`baseline` or `restricted`.",
    )
    host_path_granted: bool = Field(
        default=False,
        description="Admission control (SCC, Kyverno, Gatekeeper, Kubewarden, ValidatingAdmissionPolicies) admits our "
        "hostPath mounts.",
    )
    bootstrap: Bootstrap = Field(default_factory=Bootstrap, description="Settings for the plugin's own pods.")
    setbacks: SetbackRules = Field(default_factory=SetbackRules, description="Settings for patches that failed.")
    drivers: tuple[Driver, ...] = Field(default=(), description="Driver profiles, checked before the built-in ones.")

    def is_gpu_resource(self, name: str) -> bool:
        """Return whether a request for this resource is a request for a GPU."""
        return name in self.resources or name.startswith(self._families)

    @cached_property
    def _families(self) -> tuple[str, ...]:
        return tuple(pattern.removesuffix("*") for pattern in self.resources if pattern.endswith("*"))
