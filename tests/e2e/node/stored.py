"""What the webhook has stored of plugin pods: what it observed, and which patches failed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from e2e.installation import NAME
from e2e.kubectl import Kubectl

CONFIG_MAP = ("configmap", f"{NAME}-state", "--namespace", NAME)


def stored(kubectl: Kubectl) -> dict[str, Any]:
    """Return the state, empty before the first write."""
    data = kubectl.get(*CONFIG_MAP).get("data") or {}
    state: dict[str, Any] = json.loads(data.get("state.json", "{}"))
    return state


def observed(kubectl: Kubectl) -> set[str]:
    """Return the states in which plugin pods without our patch were seen last."""
    return {item["state"] for item in stored(kubectl).get("observations", ())}


def setbacks(kubectl: Kubectl) -> dict[str, str]:
    """Return what the node said of each recipe that failed, by recipe."""
    state = stored(kubectl)
    return {item["key"][3]: state["texts"][item["text"]] for item in state.get("setbacks", ())}


def are_over(kubectl: Kubectl) -> bool:
    """Say whether the time of every stored setback is over."""
    now = datetime.now(UTC)
    return all(datetime.fromisoformat(item["until"]) <= now for item in stored(kubectl)["setbacks"])


@contextmanager
def state_restored(kubectl: Kubectl) -> Iterator[None]:
    """Store again at the end what is stored now: later tests must not know of what happens in between."""
    before = kubectl.get(*CONFIG_MAP).get("data")
    try:
        yield
    finally:
        kubectl.run("patch", *CONFIG_MAP, "--type=merge", "--patch", json.dumps({"data": before}))
