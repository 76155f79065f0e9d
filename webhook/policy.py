"""What the administrator asked for: the keys of the policy file, their defaults and what they allow."""

from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
# A name of an extended resource, or a family of them. "vendor/*" alone is refused: passthrough and
# network devices share the vendor's prefix. No quote can get in, so that CEL can carry the text.
RESOURCE_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9][-A-Za-z0-9_.]*\*?$"
CAPABILITIES = r"^$|^[a-z0-9]+(,[a-z0-9]+)*$"

ResourcePattern = Annotated[str, StringConstraints(pattern=RESOURCE_PATTERN, max_length=317)]


class Policy(BaseModel):
    """The policy file. Every default is a careful administrator's choice: an empty file works."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel, validate_by_name=True)

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

    def is_gpu_resource(self, name: str) -> bool:
        """Say whether a request for this resource is a request for a GPU."""
        return name in self.resources or name.startswith(self._families)

    @cached_property
    def _families(self) -> tuple[str, ...]:
        return tuple(pattern.removesuffix("*") for pattern in self.resources if pattern.endswith("*"))
