"""What the view keeps of a Node."""

from collections.abc import Mapping
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import Any

from webhook.kube.metadata import labels_of, metadata, name_of
from webhook.kube.values import items, mapping, text
from webhook.nvidia.startup_taints import is_temporary_taint
from webhook.view.compact_labels import CompactLabels
from webhook.view.default_runtime import default_runtime
from webhook.view.pod_status import ready_condition
from webhook.view.recorded_time import parse_time
from webhook.view.view import Node, Taint

ApiObject = Mapping[str, Any]


def project_node(item: ApiObject) -> Node:
    """Keep of a Node what shows its GPUs, its runtime and its driver, and whether pods can start there."""
    status, spec = mapping(item.get("status")), mapping(item.get("spec"))
    info, ready = mapping(status.get("nodeInfo")), ready_condition(status)
    handlers = frozenset(text(handler.get("name")) for handler in items(status.get("runtimeHandlers")))
    return Node(
        name=name_of(item),
        labels=CompactLabels(labels_of(item)),
        os_image=intern(text(info.get("osImage"))),
        kernel=intern(text(info.get("kernelVersion"))),
        architecture=intern(text(info.get("architecture"))),
        runtime=intern(text(info.get("containerRuntimeVersion"))),
        handlers=_shared_set(handlers) or None,
        capacity=_extended(status.get("capacity")),
        allocatable=_extended(status.get("allocatable")),
        taints=tuple(
            Taint(text(taint.get("key")), text(taint.get("value")), str(taint.get("effect")))
            for taint in items(spec.get("taints"))
            if taint.get("effect") in ("NoSchedule", "NoExecute") and not is_temporary_taint(text(taint.get("key")))
        ),
        boot_id=text(info.get("bootID")),
        unschedulable=spec.get("unschedulable") is True,
        ready=_is_ready(ready),
        ready_since=parse_time(ready.get("lastTransitionTime")),
        default_runtime=intern(default_runtime(mapping(metadata(item).get("annotations")))),
    )


def _is_ready(condition: ApiObject) -> bool | None:
    return condition.get("status") == "True" if condition else None


def _extended(quantities: object) -> Mapping[str, str]:
    # Extended resources have a domain that is not Kubernetes' own.
    found = mapping(quantities)
    names = sorted(name for name in found if "/" in name and "kubernetes.io/" not in name)
    return _shared_map(tuple((name, text(found[name])) for name in names))


# Thousands of nodes have equal values. They are shared, as interned strings: this concerns a third of the memory.
@lru_cache(maxsize=4096)
def _shared_set(value: frozenset[str]) -> frozenset[str]:
    return value


@lru_cache(maxsize=4096)
def _shared_map(entries: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return MappingProxyType(dict(entries))
