"""What the administrator asked for: the keys of the policy file, their defaults and what they allow."""

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
# A name of an extended resource, or a family of them. "vendor/*" alone is refused: passthrough and
# network devices share the vendor's prefix. No quote can get in, so that CEL can carry the text.
RESOURCE_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9][-A-Za-z0-9_.]*\*?$"
CAPABILITIES = r"^$|^[a-z0-9]+(,[a-z0-9]+)*$"
# A file of one of the driver's libraries, never a path: it is looked for in the profile's directory.
LIBRARY_NAME = r"^lib[A-Za-z0-9_+-]+\.so(\.(\d+|\{driver_version\}))*$"
NVML_NAME = r"^libnvidia-ml\.so(\.(\d+|\{driver_version\}))*$"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
BINARY_NAME = r"^nvidia-[a-z0-9-]+$"
DIRECTORY = r"^(/([A-Za-z0-9_+-][A-Za-z0-9_.+-]*|\{triplet\}))+$"
PATTERN = r"^[^\x00-\x1f]*$"

Library = Annotated[str, StringConstraints(pattern=LIBRARY_NAME, max_length=128)]
Binary = Annotated[str, StringConstraints(pattern=BINARY_NAME, max_length=64)]
ResourcePattern = Annotated[str, StringConstraints(pattern=RESOURCE_PATTERN, max_length=317)]


def _switch(value: object) -> object:
    # YAML reads on and off as true and false.
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


Fallback = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(_switch),
    WithJsonSchema({"enum": ["auto", "on", "off", True, False]}),
]
Recipe = Annotated[
    Literal["auto", "runtime-class", "nvml", "off"],
    BeforeValidator(_switch),
    WithJsonSchema({"enum": ["auto", "runtime-class", "nvml", "off", False]}),
]


class Overrule(StrEnum):
    """The reasons to leave a GPU pod alone that an administrator who knows better may overrule."""

    CDI = "cdi"
    NRI = "nri"
    DRA = "dra"
    PLATFORM_PROVIDES = "platform-provides"
    HANDLER_MIXED = "handler-mixed"
    PROVIDER_MIXED = "provider-mixed"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel, validate_by_name=True)


class Driver(_Model):
    """A driver profile of the administrator's: a kind of host, and where its driver's libraries are."""

    os_image: Annotated[str, StringConstraints(pattern=PATTERN)] = Field(
        default="*", description="Pattern over the node's osImage."
    )
    kernel: Annotated[str, StringConstraints(pattern=PATTERN)] = Field(
        default="*", description="Pattern over the node's kernelVersion."
    )
    architecture: Literal["", "amd64", "arm64"] = Field(
        default="", description="The node's architecture, `amd64` or `arm64`; empty: any."
    )
    node_labels: dict[str, str] = Field(default_factory=dict, description="Labels that the node has.")
    directory: Annotated[str, StringConstraints(pattern=DIRECTORY)] = Field(
        description="The directory of the libraries; `{triplet}` becomes the architecture's."
    )
    complete: bool = Field(default=False, description="Vouch that every library stands there on each such node.")


class PluginRule(_Model):
    """A plugin of the administrator's: the label that its pods have, and the container that is the plugin."""

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
    """What concerns the device plugin's own pods."""

    namespaces: tuple[Annotated[str, StringConstraints(pattern=DNS_SUBDOMAIN, max_length=63)], ...] = Field(
        default=("kube-system",),
        description="The namespaces whose device plugins are believed. Whoever may create DaemonSets there is trusted.",
    )
    gpu_nodes: dict[str, str] = Field(default_factory=dict, description="Labels that every GPU node has.")
    plugins: tuple[PluginRule, ...] = Field(default=(), description="Plugins beside those that are known.")
    recipe: Recipe = Field(
        default="auto",
        description="How plugin pods get the driver. `auto`: chosen for each node; `runtime-class` or `nvml`: that way "
        "only; `off`: not at all.",
    )
    library: Annotated[str, StringConstraints(pattern=NVML_NAME, max_length=128)] = Field(
        default="libnvidia-ml.so.1",
        description="The file that the recipe `nvml` mounts; `{driver_version}` is filled in.",
    )
    privileged_granted: bool = Field(
        default=False,
        description="The cluster's own admission (SCC, Kyverno, Gatekeeper, Kubewarden) admits privileged plugin pods.",
    )
    repair: Literal["report", "undo", "evict"] = Field(
        default="undo",
        description="What to do with plugin pods that do not work. `report`: nothing; `undo`: delete a pod once, if "
        "our patch keeps it from starting; `evict`: also evict those that were created while the webhook was away.",
    )


class SetbackRules(_Model):
    """What concerns patches of ours that failed."""

    plugins: bool = Field(
        default=True, description="Remember where a patch of a plugin pod failed, and do not repeat it there."
    )


class Policy(_Model):
    """The policy file. Every default is a careful administrator's choice: an empty file works."""

    runtime_class: Annotated[str, StringConstraints(pattern=DNS_SUBDOMAIN, max_length=253)] = Field(
        default="nvidia", description="The RuntimeClass that GPU pods get."
    )
    resources: Annotated[tuple[ResourcePattern, ...], Field(min_length=1)] = Field(
        default=("nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-*"),
        description="The resources whose request makes a pod a GPU pod; `*` only at the end.",
    )
    dry_run: bool = Field(default=False, description="Patch nothing anywhere; warn and record what would be done.")
    opt_out: bool = Field(
        default=False, description="Treat namespaces without our label as enabled, those of the system excepted."
    )
    driver_capabilities: Annotated[str, StringConstraints(pattern=CAPABILITIES)] = Field(
        default="",
        description="NVIDIA_DRIVER_CAPABILITIES for containers that request a GPU and do not set it; empty: none.",
    )
    add_toleration: bool = Field(
        default=False, description="Add a toleration of the taint `nvidia.com/gpu` to injected pods."
    )

    overrule: tuple[Overrule, ...] = Field(
        default=(),
        description="Reasons for leaving GPU pods alone that do not hold in this cluster: `cdi`, `nri`, `dra`, "
        "`platform-provides`, `handler-mixed`, `provider-mixed`.",
    )
    handler_unknown: Literal["inject", "fallback"] = Field(
        default="inject",
        description="What to do where nodes do not report their handlers: `inject` the class, or let the `fallback` "
        "decide.",
    )
    fallback: Fallback = Field(
        default="auto",
        description="Mount the driver's libraries where the RuntimeClass cannot work. `auto`: where every node is "
        "known to need it; `on`: where none is known to do without; `off`: never.",
    )
    libraries: tuple[Library, ...] = Field(
        default=(),
        description="Libraries that the fallback mounts beside the default ones, and that are vouched for with them; "
        "`{driver_version}` is filled in.",
    )
    binaries: tuple[Binary, ...] = Field(default=(), description="Programs of /usr/bin that the fallback mounts.")
    devices: Literal["plugin", "privileged"] = Field(
        default="plugin",
        description="How the fallback gets at the devices: by the `plugin`, or by a `privileged` container.",
    )
    pod_security_default: Literal["privileged", "baseline", "restricted"] = Field(
        default="privileged",
        description="What the API server enforces on namespaces without a PodSecurity label: `privileged`, `baseline` "
        "or `restricted`.",
    )
    host_path_granted: bool = Field(
        default=False, description="The cluster's own admission (SCC, Kyverno, Gatekeeper) lets our hostPath mounts in."
    )
    bootstrap: Bootstrap = Field(default_factory=Bootstrap, description="What concerns the plugin's own pods.")
    setbacks: SetbackRules = Field(default_factory=SetbackRules, description="What concerns patches that failed.")
    drivers: tuple[Driver, ...] = Field(default=(), description="Driver profiles, looked at before the shipped ones.")

    def is_gpu_resource(self, name: str) -> bool:
        """Say whether a request for this resource is a request for a GPU."""
        return name in self.resources or name.startswith(self._families)

    @cached_property
    def _families(self) -> tuple[str, ...]:
        return tuple(pattern.removesuffix("*") for pattern in self.resources if pattern.endswith("*"))
