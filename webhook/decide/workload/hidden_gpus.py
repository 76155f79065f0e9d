"""Which containers see which GPUs: whether others are hidden, and what the author wrote about the GPUs' own."""

import re
from collections.abc import Iterable, Iterator

from webhook.decide.nodes.providers import brings_gpus_by_default
from webhook.decide.pod import Container
from webhook.decide.workload.context import RuleContext
from webhook.decide.workload.void_env import VISIBLE_DEVICES
from webhook.kube.values import items, text

QUOTES = '""'
HIDING = frozenset({"", "void", "none"})
# An index, a UUID, a CDI device other than "all", or a list of them: no longer than a line.
# Source: https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
PINNING = re.compile(
    r"(\d{1,4}(:\d{1,2})?|(GPU|MIG)-[0-9A-Za-z/-]{1,60}|[a-z.]{1,40}/(gpu|mig)=(?!all$)[0-9A-Za-z:-]{1,60})"
    r"(,[0-9A-Za-z:/.=-]{1,64}){0,16}"
)


def hides_gpus(context: RuleContext) -> bool:
    """Say whether GPUs are hidden from the containers of a pod that request none.

    Where NVIDIA's runtime is the default, such a container sees GPUs without us, and may rely on it. A pod that
    requests no GPU at all asked for the class in order to see them.
    """
    if not context.policy.hide_gpus or not context.requests_gpu:
        return False
    return not any(brings_gpus_by_default(item.kind) for item in context.class_candidates)


def own_choices(containers: Iterable[Container]) -> Iterator[str]:
    """Yield a warning for each container whose own variable hides or pins the GPU that it requests."""
    for container in containers:
        entries = [item for item in items(container.spec.get("env")) if item.get("name") == VISIBLE_DEVICES]
        # The last entry of a name counts. What comes from another source is not known.
        if not entries or entries[-1].get("valueFrom"):
            continue
        value = text(entries[-1].get("value"))
        if value in HIDING or PINNING.fullmatch(value):
            effect = "hidden" if value in HIDING else "pinned"
            setting = f"{VISIBLE_DEVICES}={value or QUOTES}"
            yield f"container {container.spec.get('name')}: its GPU is {effect} by its own {setting}"
