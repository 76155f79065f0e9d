"""The namespaces that the tests create pods in: one for each way to opt in, or not."""

from typing import Any

INJECT = "gpu-injector.io/inject"

ENABLED = "team-enabled"
DRY_RUN = "team-dry-run"
DISABLED = "team-disabled"
UNLABELLED = "team-unlabelled"

EVERY = {ENABLED: "enabled", DRY_RUN: "dry-run", DISABLED: "disabled", UNLABELLED: ""}


def namespace(name: str) -> dict[str, Any]:
    """Return one of the namespaces, with the label that its name promises."""
    labels = {INJECT: EVERY[name]} if EVERY[name] else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
