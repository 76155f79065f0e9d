"""What a user sees at the terminal, and the pages that show it: their output must be that of a real run.

A page marks such a block with the story's name, ``<!-- e2e: NAME -->``. A line ``...`` there stands for lines that are
left out. Times and the random part of names differ from run to run.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.doc_blocks import ROOT, assert_shown

from e2e.commands import gpu_injector
from e2e.kubectl import Kubectl
from e2e.node.sandbox import Sandbox

CHANGING = (
    # klog's and log's beginnings, the random part of a pod's name, and how long ago something was.
    (re.compile(r"^[IWE]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ "), "klog "),
    (re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d"), "time"),
    (re.compile(r"(?<=-daemonset-)[a-z0-9]{5}\b"), "xxxxx"),
    (re.compile(r"\b\d+(?:m\d+)?s\b(?: ago)?(?: \(x\d+ over \w+\))?"), "age"),
    (re.compile(r" +"), " "),
)


@dataclass(frozen=True, slots=True)
class Story:
    """Lines that were typed, each with what it printed; kept in a file for the author of the page."""

    name: str
    kubectl: Kubectl
    node: Sandbox
    kept: Path
    lines: list[str] = field(default_factory=list)

    def type(self, line: str) -> str:
        """Run a line and return what it printed: kubectl and gpu-injector on this machine, all else on the node."""
        program, *words = shlex.split(line)
        if program == "gpu-injector":
            printed = gpu_injector(*words, kubeconfig=self.kubectl.kubeconfig).stdout
        elif program == "kubectl":
            printed = self.kubectl.run(*words).stdout
        else:
            printed = self.node.run("sh", "-c", line)
        self.lines.extend((f"$ {line}", *printed.splitlines()))
        self.kept.write_text("\n".join(self.lines) + "\n")
        return printed

    def assert_told(self, page: str) -> None:
        """Assert that a page shows nothing that was not typed or printed, in this order."""
        blocks = list(_blocks((ROOT / page).read_text(), self.name))
        assert blocks, f"{page} has no block of the story {self.name}"
        for block in blocks:
            assert_shown(block, iter(self.lines), f"{page}, which should show what is in {self.kept}", _constant)


def _blocks(text: str, name: str) -> Iterator[list[str]]:
    for found in re.finditer(rf"<!-- e2e: {re.escape(name)} -->\n```console\n(.*?)```", text, re.DOTALL):
        yield found[1].splitlines()


def _constant(line: str) -> str:
    for pattern, replacement in CHANGING:
        line = pattern.sub(replacement, line)
    return line.rstrip()
