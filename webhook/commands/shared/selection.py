"""Select the objects of ``preview`` and ``eject``, from manifests or a cluster, and decide on their pods."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from webhook.commands.shared.cluster import Target, api_server, installed_policy, live_view
from webhook.commands.shared.cluster_settings import knative_allows_class, report_registration
from webhook.commands.shared.evaluate import predict
from webhook.commands.shared.input_files import InputError, read_files, read_tree
from webhook.commands.shared.list_workloads import Listed, is_kept, progress_bar, workloads
from webhook.commands.shared.prediction import DEFAULT_NAMESPACE, PodVerdict, Situation, kind_word, reference
from webhook.commands.shared.unread import POLICY, is_unknown
from webhook.commands.shared.view_files import read_view_files, report_missing
from webhook.commands.shared.view_sources import merged, with_declared
from webhook.decide.injected_pods import count_pod, injected_lines, no_pods_yet
from webhook.kube.kind_scopes import declared_scopes
from webhook.kube.knative import allows_runtime_class, is_relevant
from webhook.kube.manifests import Manifest
from webhook.kube.metadata import controlling_owner
from webhook.kube.placeholders import may_have_placeholders, unrendered
from webhook.kube.values import EMPTY, empty_mapping
from webhook.kube_client.client import KubeClient
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

HINT = "render the manifest first: `envsubst`, `oc process`, or the tool that it is written for"
# Finds out what is unknown, in another way.
Tries = Callable[[KubeClient, Sequence[PodVerdict]], Awaitable[Sequence[PodVerdict]]]
# Looks up the owners of an object of a live cluster, upwards.
Above = Callable[[KubeClient, Mapping[str, Any]], Awaitable[Sequence[Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The options of the command line; ``namespace`` None is the default one, empty means all."""

    files: tuple[str, ...]
    recursive: bool
    view_files: tuple[Path, ...]
    policy_file: Path | None
    target: Target
    namespace: str | None
    selector: str

    @property
    def is_offline(self) -> bool:
        """Say whether the files contain everything, and no cluster is named."""
        return bool(self.files and self.view_files) and self.target == Target()

    def usual_namespace(self) -> str:
        """Return the namespace of objects that name none, empty for all of them. Raises LoginError."""
        return self.target.namespace() if self.namespace is None else self.namespace

    def manifests(self, skipped: Callable[[str], None]) -> list[Manifest]:
        """Return the documents of the files. Raises InputError, also where they contain no object.

        ``skipped`` gets a line for each file below a folder that holds no manifests.
        """
        with progress_bar() as progress:
            read = read_tree(self.files, skipped, progress) if self.recursive else read_files(self.files, progress)
            found = list(read)
        if self.files and not any(manifest.objects for manifest in found):
            raise InputError(
                f"no Kubernetes object in {', '.join('stdin' if file == '-' else file for file in self.files)}"
            )
        return found


async def no_tries(_client: KubeClient, found: Sequence[PodVerdict]) -> Sequence[PodVerdict]:
    """Return the verdicts as they are: what is unknown stays so."""
    return found


async def nothing_above(_client: KubeClient, _item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return no owners: each object is decided on its own."""
    return ()


@dataclass(frozen=True, slots=True)
class SelectedWorkloads:
    """The verdicts, and what could not be read (it may hide others), with the reason.

    ``injected`` has a line for each namespace that is opted in: how many of its GPU pods carry our patch.
    """

    verdicts: Sequence[PodVerdict]
    unread: Mapping[str, str] = field(default_factory=empty_mapping)
    injected: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything that the answer depends on could be read."""
        return not self.unread and not any(one.unread for one in self.verdicts)

    @property
    def all_unread(self) -> Mapping[str, str]:
        """What could not be read, and why: of the lists, and of what the verdicts depend on."""
        needed = {kind: one.question.situation.unread[kind] for one in self.verdicts for kind in one.unread}
        return {**self.unread, **needed}


def verdicts(
    scope: Scope, manifests: Sequence[Manifest], above: Above = nothing_above, tries: Tries = no_tries
) -> SelectedWorkloads:
    """Return the decisions on the pods of manifests; without any, on the workloads of the cluster.

    Use the topmost owner whose template requests a GPU. ``tries`` may find out what is unknown. Raises InputError for
    files that cannot be used, and where the API server does not answer.
    """
    if not scope.is_offline:
        return asyncio.run(_with_cluster(scope, manifests, above, tries))
    files = asyncio.run(read_view_files(scope.view_files, scope.policy_file))
    usual = scope.namespace or DEFAULT_NAMESPACE
    situation = replace(_situation(files.policy, files.view, usual, files.objects), unread=files.unread)
    found = list(_of_manifests(manifests, situation))
    report_missing(found, files.view)
    return SelectedWorkloads(found)


def _situation(policy: Policy, view: ClusterView, namespace: str, objects: Sequence[Mapping[str, Any]]) -> Situation:
    """Return the situation of a view, with the settings for kinds and Knative in the objects of files."""
    return Situation(
        policy, view, namespace, scopes=declared_scopes(objects), knative_allows=allows_runtime_class(objects)
    )


async def _with_cluster(scope: Scope, manifests: Sequence[Manifest], above: Above, tries: Tries) -> SelectedWorkloads:
    """Decide with the facts of a cluster; without manifests, on its workloads."""
    usual = scope.usual_namespace()
    documents = [item for manifest in manifests for item in manifest.objects]
    named = {usual, *(reference(item.content, usual)["namespace"] for item in documents)} - {""}
    async with api_server(scope.target) as client:
        installed = await installed_policy(client, scope.policy_file)
        files = await read_view_files(scope.view_files, None, installed.policy)
        named_objects = {"namespaces": sorted(named)}
        snapshot = await live_view(client, installed.policy, named_objects, registered=installed.registered)
        situation = _situation(
            installed.policy, merged(snapshot.view, files.view), usual or DEFAULT_NAMESPACE, files.objects
        )
        unread = {POLICY: installed.unread} if installed.unread else {}
        # Kinds in a file need not be read from the cluster.
        unread |= {kind: why for kind, why in snapshot.unknown.items() if is_unknown(situation.view, kind)}
        # The policy in use is printed already.
        report_registration(installed.registered)
        _report({kind: why for kind, why in unread.items() if kind != POLICY})
        situation = replace(situation, unread=unread)
        if not scope.files or any(is_relevant(item.content) for item in documents):
            situation = replace(
                situation, knative_allows=situation.knative_allows or await knative_allows_class(client)
            )
        if scope.files:
            return SelectedWorkloads(await tries(client, list(_of_manifests(manifests, situation))))
        if usual and situation.view.namespaces is not None and usual not in situation.view.namespaces:
            raise InputError(f"namespace {usual} does not exist")
        found = await _running(client, scope, situation, above)
        return replace(found, verdicts=await tries(client, found.verdicts))


async def _running(client: KubeClient, scope: Scope, situation: Situation, above: Above) -> SelectedWorkloads:
    """Decide on the workloads of a cluster, with one verdict for each topmost object that requests a GPU."""
    unread: dict[str, str] = {}
    # Another policy may name other GPU resources, so pods may be missing below.
    if POLICY in situation.unread:
        unread[POLICY] = situation.unread[POLICY]
    found: dict[str, list[PodVerdict]] = {}
    counts = no_pods_yet(situation.view.namespaces or EMPTY, situation.policy)
    listed = Listed(scope.usual_namespace(), scope.selector, partial(count_pod, counts, situation.policy))
    with progress_bar() as progress:
        async for item in workloads(client, listed, progress, unread):
            if own := _asking(item, situation):
                uppermost = [asks for one in await above(client, item) if (asks := _asking(one, situation))]
                asking = uppermost[-1] if uppermost else own
                found[str(asking[0].reference)] = asking
    _report({kind: why for kind, why in unread.items() if kind not in situation.unread})
    injected = () if scope.selector or "pods" in unread or POLICY in unread else tuple(injected_lines(counts))
    return SelectedWorkloads([one for asking in found.values() for one in asking], unread, injected)


def _of_manifests(manifests: Sequence[Manifest], situation: Situation) -> Iterator[PodVerdict]:
    """Yield the verdicts for manifests, in a cluster that also has what they declare."""
    documents = [item.content for manifest in manifests for item in manifest.objects]
    known = replace(
        situation,
        view=with_declared(situation.view, documents),
        scopes={**situation.scopes, **declared_scopes(documents)},
        knative_allows=situation.knative_allows or allows_runtime_class(documents),
    )
    kept = [item for item in documents if _is_controlled(item)]
    marked = [found for one in manifests for found in [may_have_placeholders(one.text)] * len(one.objects)]
    unreplaced: dict[str, str] = {}
    with progress_bar() as progress:
        task = progress.add_task("decide", total=len(documents))
        for item, is_marked in zip(documents, marked, strict=True):
            found = () if _is_controlled(item) else tuple(predict(item, known))
            unreplaced |= _unreplaced(found) if is_marked else {}
            yield from found
            progress.advance(task)
    for placeholder, title in unreplaced.items():
        click.echo(f"{title}: {placeholder} was read as text; {HINT}", err=True)
    for item in kept:
        owner, names = controlling_owner(item), reference(item, situation.namespace)
        what = f"{names['kind']} {names['namespace']}/{names['name']}"
        click.echo(f"Skipped: {what}, which {owner.get('kind')} {owner.get('name')} controls", err=True)


def _unreplaced(found: Iterable[PodVerdict]) -> dict[str, str]:
    """Return the placeholders on which decisions depend, each with the title of the object."""
    lines = {}
    for one in found:
        namespace = one.question.facts.namespace if one.question.concerns_gpus else ""
        if placeholder := unrendered(one.question.pod, namespace):
            lines[placeholder] = one.title
    return lines


def _is_controlled(item: Mapping[str, Any]) -> bool:
    """Say whether a controller writes the object, so that no author does; pods of unknown controllers are shown."""
    return bool(controlling_owner(item)) and (item.get("kind") != "Pod" or is_kept(item))


def _asking(item: Mapping[str, Any], situation: Situation) -> list[PodVerdict]:
    """Return the verdicts for GPU pods and plugins: most pods of a live cluster request no GPU."""
    return [one for one in predict(item, situation) if one.question.concerns_gpus]


def _report(unread: Mapping[str, str]) -> None:
    for kind, why in unread.items():
        click.echo(f"Could not read: {kind_word(kind)} ({why})", err=True)
