"""The reports of node facts in an archive: each is written again from what was read of it.

So no other text of a container gets into the file, and a word that was taken out elsewhere does not damage a report.
"""

from collections.abc import Mapping
from typing import Any

from webhook.kube.values import elements, mapping, text
from webhook.node_facts.facts_report import MAX_BYTES, NO_DRIVER, NVIDIA_DRIVER, NodeFacts
from webhook.view.node_facts_pods import is_facts_object

# Names of objects that are like these words stay: a hash in their place would make a report unreadable.
REPORT_WORDS = frozenset(
    {
        *("version", "bootID", "architecture", "gpus", "driverVersion", "tegra", "wsl", "mig", "added"),
        *("true", "false", "null", "amd64", "arm64", NVIDIA_DRIVER, NO_DRIVER, "vfio-pci", "nouveau", "nvidia-vgpu"),
    }
)


def keep_reports(kept: dict[str, Any], item: Mapping[str, Any]) -> None:
    """Write the reports into what was kept of a pod of node facts; other objects stay as they are."""
    if item.get("kind") != "Pod" or not is_facts_object(item):
        return
    status = mapping(item.get("status"))
    for name in ("initContainerStatuses", "containerStatuses"):
        shown = mapping(kept.get("status")).get(name, ())
        for reduced, original in zip(shown, elements(status.get(name)), strict=False):
            for state in ("state", "lastState"):
                _keep_report(mapping(reduced.get(state)), mapping(mapping(original).get(state)))


def _keep_report(kept: Mapping[str, Any], original: Mapping[str, Any]) -> None:
    ended = mapping(original.get("terminated"))
    if ended.get("exitCode") == 0 and "message" in mapping(kept.get("terminated")):
        facts = NodeFacts.parse(text(ended.get("message"))[: MAX_BYTES + 1])
        kept["terminated"]["message"] = facts.to_text() if facts else ""
