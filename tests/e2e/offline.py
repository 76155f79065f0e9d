"""The same decisions offline: the cluster as ``kubectl get`` prints it, and ``gpu-injector preview``."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from e2e.installation import NAME
from e2e.kubectl import Kubectl, Manifest, as_list

KINDS = ("runtimeclasses", "namespaces", "nodes", "pods", "daemonsets")
WOULD_CHANGE = (0, 1)


def preview(kubectl: Kubectl, folder: Path, pods: Sequence[Manifest], *kinds: str) -> Sequence[Mapping[str, Any]]:
    """Dump the cluster, and return what ``preview -o json`` says about each pod there; ``kinds`` come beside KINDS."""
    view = folder / "view.yaml"
    objects = kubectl.run("get", ",".join((*KINDS, *kinds)), "--all-namespaces", "-o", "yaml").stdout
    # The API groups: they show that nothing else refuses hostPath volumes.
    apis = kubectl.run("get", "--raw", "/apis").stdout
    view.write_text(f"{objects}---\n{apis}")
    program = Path(sys.executable).with_name(NAME)
    done = subprocess.run(
        [program, "preview", "-f", "-", "--view", view, "-o", "json"],
        input=as_list(pods),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in WOULD_CHANGE, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["verdicts"]
    assert len(rows) == len(pods)
    return rows
