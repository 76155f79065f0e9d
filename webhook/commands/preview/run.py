"""``preview``: show what the webhook would do with manifests, or with the workloads of a cluster."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import click
from rich.console import Console

from webhook.commands.preview.render import PRINTERS, print_authored
from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.list_workloads import progress_bar
from webhook.commands.shared.prediction import PodVerdict
from webhook.commands.shared.selection import Scope, verdicts
from webhook.kube.manifests import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The selected objects, and the form of the output."""

    scope: Scope
    output: str
    explain: bool


def preview(options: Options) -> int:
    """Print the decisions; return the exit code."""
    skipped: list[str] = []
    manifests = options.scope.manifests(skipped.append)
    found = verdicts(options.scope, manifests)
    would_change = _print(options, manifests, found.verdicts)
    for line in skipped:
        click.echo(f"Skipped: {line}", err=True)
    if not found.is_complete:
        return ExitCode.UNREAD
    return ExitCode.CHANGES if would_change and options.output != "yaml" else ExitCode.DONE


def _print(options: Options, manifests: Sequence[Manifest], found: Sequence[PodVerdict]) -> bool:
    """Print the verdicts; return whether anything would change."""
    if options.explain:
        found = [item.explained() for item in found]
    if options.output == "yaml" and options.scope.files:
        with progress_bar() as progress:
            print_authored(manifests, found, progress)
    else:
        PRINTERS[options.output](found, Console(highlight=False, soft_wrap=True))
    for line in restarts(found):
        click.echo(line, err=options.output not in ("table", "diff"))
    return any(item.would_change for item in found)


def restarts(found: Iterable[PodVerdict]) -> Iterator[str]:
    """Yield the command that re-creates a plugin's pods, for each of its DaemonSets that may be in the cluster."""
    for item in {item.title: item for item in found if item.nodes and item.would_change}.values():
        names, known = item.reference, item.question.situation.view.daemon_sets
        if known is None or f"{names['namespace']}/{names['name']}" in known:
            yield "Running pods stay unchanged. To re-create them:"
            yield f"  kubectl -n {names['namespace']} rollout restart daemonset/{names['name']}"
