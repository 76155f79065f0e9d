"""Helm, and the rendered chart."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from support.chart import CHART, chart_digest

from e2e.kubectl import Manifest

RELEASE = "gpu-injector"
NAMESPACE = "gpu-injector"
TIMEOUT_SECONDS = 300

Values = Mapping[str, object]

HEADER = """\
# gpu-injector. Apply:   by the command in README.md, "Install", or without a registry by the one in docs/image.md.
#                        As it is here, the image names no registry, so no node can pull it.
#               Undo:    kubectl delete -f install.yaml
# In an emergency, this command alone disables the webhook:
#                        kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration gpu-injector
#
# The registrations come first, so that `kubectl delete -f` removes them first.
# Made by `make manifest` from deploy/chart, sha256:{digest}
"""


class HelmError(AssertionError):
    """Helm failed unexpectedly; the message has its arguments and what it printed."""


@dataclass(frozen=True, slots=True)
class Helm:
    """Helm with a folder of its own for caches, and the kubeconfig of one user where a cluster is asked."""

    program: Path
    folder: Path
    kubeconfig: Path | None = None

    def attempt(self, *arguments: object, values: Values | None = None) -> "subprocess.CompletedProcess[str]":
        """Run Helm, which reads the values from its standard input, and return what became of it."""
        own = ["--values=-"] if values is not None else []
        home = {f"HELM_{kind}_HOME": str(self.folder / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        user = {"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {}
        return subprocess.run(
            [self.program, *map(str, arguments), *own],
            input=json.dumps(values or {}),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
            env={**os.environ, **home, **user},
        )

    def run(self, *arguments: object, values: Values | None = None) -> str:
        """Run Helm and return what it prints; raise HelmError if it does not succeed."""
        done = self.attempt(*arguments, values=values)
        if done.returncode != 0:
            command = " ".join(map(str, arguments))
            raise HelmError(f"helm {command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def template(self, values: Values, *arguments: str) -> str:
        """Return the chart rendered, without the objects of its test."""
        command = ("template", RELEASE, CHART, f"--namespace={NAMESPACE}", "--no-hooks", *arguments)
        return self.run(*command, values=values)

    def objects(self, values: Values) -> list[Manifest]:
        """Return the objects of the chart rendered."""
        return [document for document in yaml.safe_load_all(self.template(values)) if document]

    def manifest(self) -> str:
        """Return the expected content of deploy/install.yaml."""
        return HEADER.format(digest=chart_digest()) + arranged(self.template({"namespace": {"create": True}}))


def arranged(rendered: str) -> str:
    """Return rendered documents tidied, the registrations first."""
    documents = rendered.removeprefix("---\n").split("\n---\n")
    ordered = sorted(documents, key=lambda document: "WebhookConfiguration\n" not in document)
    return "---\n" + "\n---\n".join(_tidy(one) for one in ordered) + "\n"


def _tidy(document: str) -> str:
    # Without Helm its labels would be wrong.
    left_out = ("# Source: ", "helm.sh/chart: ", "app.kubernetes.io/managed-by: Helm")
    lines = (line.rstrip() for line in document.splitlines() if not line.lstrip().startswith(left_out))
    return "\n".join(line for line in lines if line)


def named(objects: Sequence[Manifest], kind: str, name: str = NAMESPACE) -> dict[str, Any]:
    """Return the one object of a kind and name; raise ValueError if there is not exactly one."""
    (found,) = (one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return dict(found)
