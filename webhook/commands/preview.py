"""``preview``: what the webhook would do with manifests, or with what runs in a cluster, before anything is created."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
from rich.console import Console

from webhook.cluster.snapshot import Snapshot
from webhook.cluster.view import ClusterView
from webhook.commands.foresee import foresee
from webhook.commands.inputs import read_files, read_policy, read_view
from webhook.commands.live import Target, api_server, installed_policy, live_view
from webhook.commands.outputs import PRINTERS, print_authored
from webhook.commands.verdict import DEFAULT_NAMESPACE, PodVerdict, Situation, reference
from webhook.commands.views import merged, with_declared
from webhook.commands.workloads import progress_bar, workloads
from webhook.decide.decision import Reason
from webhook.manifests import Manifest
from webhook.policy import Policy

RECURSIVE, FLAT = "**/*", "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says; ``namespace`` None is the usual one, empty is all of them."""

    files: tuple[str, ...]
    recursive: bool
    view_files: tuple[Path, ...]
    policy_file: Path | None
    target: Target
    namespace: str | None
    selector: str
    output: str
    explain: bool

    @property
    def is_offline(self) -> bool:
        """Say whether files hold all that is needed, and no cluster is named beside them."""
        return bool(self.files and self.view_files) and self.target == Target()


def preview(options: Options) -> int:
    """Print the decisions; return the exit code: 0 nothing to change, 1 something would change."""
    manifests = list(read_files(options.files, RECURSIVE if options.recursive else FLAT))
    if options.is_offline:
        policy = read_policy(options.policy_file)
        view = _view_of_files(options.view_files, policy)
        situation = Situation(policy, view, options.namespace or DEFAULT_NAMESPACE)
        found = list(_of_manifests(manifests, situation))
    else:
        found = asyncio.run(_with_cluster(options, manifests))
    return _print(options, manifests, found)


def _view_of_files(files: Iterable[Path], policy: Policy) -> ClusterView:
    view = ClusterView()
    for file in files:
        view = merged(view, read_view(file, policy))
    return view


async def _with_cluster(options: Options, manifests: Sequence[Manifest]) -> list[PodVerdict]:
    """Decide with a cluster in view; without manifests about what runs in it."""
    usual = options.namespace if options.namespace is not None else options.target.namespace()
    documents = [item for manifest in manifests for item in manifest.objects]
    named = {usual, *(reference(item.content, usual)["namespace"] for item in documents)} - {""}
    async with api_server(options.target) as api:
        policy = await installed_policy(api, options.policy_file)
        view = _view_of_files(options.view_files, policy)
        snapshot = await live_view(api, policy, {"namespaces": sorted(named)})
        _tell_unknown(snapshot)
        situation = Situation(policy, merged(snapshot.view, view), usual or DEFAULT_NAMESPACE)
        if options.files:
            return list(_of_manifests(manifests, situation))
        with progress_bar() as progress:
            living = workloads(api, usual, options.selector, progress, _tell_refused)
            return [verdict async for item in living for verdict in foresee(item, situation) if _asks(verdict)]


def _of_manifests(manifests: Iterable[Manifest], situation: Situation) -> Iterator[PodVerdict]:
    """Yield the verdicts for manifests, in a cluster that also has what they declare."""
    documents = [item for manifest in manifests for item in manifest.objects]
    known = replace(situation, view=with_declared(situation.view, (item.content for item in documents)))
    for document in documents:
        yield from foresee(document.content, known)


def _asks(verdict: PodVerdict) -> bool:
    """Say whether a pod of a live cluster is any of our business: most request no GPU."""
    return verdict.decision.reason is not Reason.NO_GPU


def _print(options: Options, manifests: Sequence[Manifest], found: Sequence[PodVerdict]) -> int:
    if options.explain:
        found = [item.explained() for item in found]
    if options.output == "yaml" and options.files:
        print_authored(manifests, found)
    else:
        PRINTERS[options.output](found, Console(highlight=False, soft_wrap=True))
    for line in restarts(found):
        click.echo(line, err=options.output not in ("table", "diff"))
    return int(options.output != "yaml" and any(item.would_change for item in found))


def restarts(found: Iterable[PodVerdict]) -> Iterator[str]:
    """Yield the line that makes a plugin's pods again, for each of its DaemonSets that may be in the cluster."""
    for item in {item.title: item for item in found if item.nodes and item.would_change}.values():
        names, known = item.reference, item.question.situation.view.daemon_sets
        if known is None or f"{names['namespace']}/{names['name']}" in known:
            yield "Pods that run already stay as they are. To make them again:"
            yield f"  kubectl -n {names['namespace']} rollout restart daemonset/{names['name']}"


def _tell_unknown(snapshot: Snapshot) -> None:
    for field, why in snapshot.unknown.items():
        click.echo(f"Unknown: {field.replace('_', ' ')} (the API server answered {why})", err=True)


def _tell_refused(what: str) -> None:
    click.echo(f"Not looked at: {what}", err=True)
