"""What ``preview`` and ``eject`` look at, manifests or what runs in a cluster, and what is decided about its pods."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from webhook.cluster.listing import Api
from webhook.commands.shared.cluster import Target, api_server, installed_policy, live_view
from webhook.commands.shared.evaluate import foresee
from webhook.commands.shared.input_files import read_files, read_policy, read_view
from webhook.commands.shared.list_workloads import progress_bar, workloads
from webhook.commands.shared.prediction import DEFAULT_NAMESPACE, PodVerdict, Situation, reference
from webhook.commands.shared.view_sources import merged, with_declared
from webhook.decide.decision import Reason
from webhook.kube.manifests import Manifest
from webhook.policy.model import Policy
from webhook.view.snapshot import Snapshot
from webhook.view.view import ClusterView

RECURSIVE, FLAT = "**/*", "*"

# Looks up what keeps an object of a live cluster, and what keeps that, upwards.
Above = Callable[[Api, Mapping[str, Any]], Awaitable[Sequence[Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the command line says; ``namespace`` None is the usual one, empty is all of them."""

    files: tuple[str, ...]
    recursive: bool
    view_files: tuple[Path, ...]
    policy_file: Path | None
    target: Target
    namespace: str | None
    selector: str

    @property
    def is_offline(self) -> bool:
        """Say whether files hold all that is needed, and no cluster is named beside them."""
        return bool(self.files and self.view_files) and self.target == Target()

    def manifests(self) -> list[Manifest]:
        """Return the documents of the files. Raises InputError."""
        return list(read_files(self.files, RECURSIVE if self.recursive else FLAT))


async def nothing_above(_api: Api, _item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return nothing: each object is looked at for itself."""
    return ()


def verdicts(scope: Scope, manifests: Sequence[Manifest], above: Above = nothing_above) -> list[PodVerdict]:
    """Return what is decided about the pods of manifests; without any, about what runs in the cluster.

    Of an object and those above it the uppermost counts in which a GPU is asked for. Raises InputError for files that
    cannot be used, and where the API server does not answer.
    """
    if not scope.is_offline:
        return asyncio.run(_with_cluster(scope, manifests, above))
    policy = read_policy(scope.policy_file)
    view = _view_of_files(scope.view_files, policy)
    return list(_of_manifests(manifests, Situation(policy, view, scope.namespace or DEFAULT_NAMESPACE)))


def _view_of_files(files: Iterable[Path], policy: Policy) -> ClusterView:
    view = ClusterView()
    for file in files:
        view = merged(view, read_view(file, policy))
    return view


async def _with_cluster(scope: Scope, manifests: Sequence[Manifest], above: Above) -> list[PodVerdict]:
    """Decide with a cluster in view; without manifests about what runs in it."""
    usual = scope.namespace if scope.namespace is not None else scope.target.namespace()
    documents = [item for manifest in manifests for item in manifest.objects]
    named = {usual, *(reference(item.content, usual)["namespace"] for item in documents)} - {""}
    async with api_server(scope.target) as api:
        policy = await installed_policy(api, scope.policy_file)
        view = _view_of_files(scope.view_files, policy)
        snapshot = await live_view(api, policy, {"namespaces": sorted(named)})
        _tell_unknown(snapshot)
        situation = Situation(policy, merged(snapshot.view, view), usual or DEFAULT_NAMESPACE)
        if scope.files:
            return list(_of_manifests(manifests, situation))
        found: dict[str, list[PodVerdict]] = {}
        with progress_bar() as progress:
            async for item in workloads(api, usual, scope.selector, progress, _tell_refused):
                if own := _asking(item, situation):
                    uppermost = [asks for one in await above(api, item) if (asks := _asking(one, situation))]
                    asking = uppermost[-1] if uppermost else own
                    found[str(asking[0].reference)] = asking
        return [one for asking in found.values() for one in asking]


def _of_manifests(manifests: Iterable[Manifest], situation: Situation) -> Iterator[PodVerdict]:
    """Yield the verdicts for manifests, in a cluster that also has what they declare."""
    documents = [item for manifest in manifests for item in manifest.objects]
    known = replace(situation, view=with_declared(situation.view, (item.content for item in documents)))
    for document in documents:
        yield from foresee(document.content, known)


def _asking(item: Mapping[str, Any], situation: Situation) -> list[PodVerdict]:
    """Return the verdicts that are any of our business: most pods of a live cluster request no GPU."""
    return [one for one in foresee(item, situation) if one.decision.reason is not Reason.NO_GPU]


def _tell_unknown(snapshot: Snapshot) -> None:
    for field, why in snapshot.unknown.items():
        click.echo(f"Unknown: {field.replace('_', ' ')} (the API server answered {why})", err=True)


def _tell_refused(what: str) -> None:
    click.echo(f"Not looked at: {what}", err=True)
