"""``preview``: show what the webhook would do with manifests, or with the workloads of a cluster."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

import click
from rich.console import Console

from webhook.commands.preview.render import PRINTERS, print_authored
from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.list_workloads import progress_bar
from webhook.commands.shared.needed_rights import rights_lines
from webhook.commands.shared.opt_in import opt_in_command, unknown_setting
from webhook.commands.shared.prediction import PodVerdict
from webhook.commands.shared.selection import Scope, no_tries, verdicts
from webhook.commands.shared.try_pods import with_tries
from webhook.kube.manifests import Manifest
from webhook.kube.values import EMPTY
from webhook.names import INJECT_KEY


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
    # These print patches, which a dry-run does not show.
    tries = no_tries if options.output in ("patch", "yaml") else with_tries
    found = verdicts(options.scope, manifests, tries=tries)
    would_change = _print(options, manifests, found.verdicts)
    for line in found.injected:
        click.echo(f"Namespace {line}", err=options.output not in ("table", "diff"))
    if not found.verdicts and found.is_complete and not options.scope.files:
        click.echo(f"No GPU workloads in {_place(options.scope)}.", err=True)
    for line in skipped:
        click.echo(f"Skipped: {line}", err=True)
    is_tried = any(one.dry_run for one in found.verdicts)
    for line in rights_lines(found.all_unread, "a file of `gpu-injector view`, for --view", is_tried=is_tried):
        click.echo(line, err=True)
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
    for line in (*restarts(found), *opt_in_lines(found)):
        click.echo(line, err=options.output not in ("table", "diff"))
    return any(item.would_change for item in found)


def restarts(found: Iterable[PodVerdict]) -> Iterator[str]:
    """Yield the command that re-creates a plugin's pods, for each of its DaemonSets that may be in the cluster."""
    for item in {item.title: item for item in found if item.nodes and item.would_change}.values():
        names, known = item.reference, item.question.situation.view.daemon_sets
        if known is None or f"{names['namespace']}/{names['name']}" in known:
            yield "Running pods stay unchanged. To re-create them:"
            where, name = quote(names["namespace"]), quote(names["name"])
            yield f"  kubectl -n {where} rollout restart daemonset/{name}"


def opt_in_lines(found: Iterable[PodVerdict]) -> Iterator[str]:
    """Yield the commands that opt in the namespaces whose GPU pods would be changed then."""
    wanted = [one.question for one in found if one.if_opted_in and one.if_opted_in.would_change]
    for name, view in {one.facts.namespace: one.situation.view for one in wanted}.items():
        labels = (view.namespaces or EMPTY).get(name)
        if setting := unknown_setting(labels):
            yield f'The label {INJECT_KEY} of namespace {name} has an unknown value, "{setting}".'
        yield f"To opt in namespace {' '.join(name.split())}:"
        if labels is None and view.namespaces is not None:
            yield f"  kubectl create namespace {quote(name)}"
        yield f"  {opt_in_command(name, labels)}"


def _place(scope: Scope) -> str:
    name = scope.usual_namespace()
    place = f"namespace {name}" if name else "any namespace"
    return f"{place} with the labels {scope.selector}" if scope.selector else place
