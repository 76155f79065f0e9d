"""A cluster read from files: those of ``view`` and ``collect``, and the output of kubectl."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import click

from webhook.archive.archive import Archive
from webhook.archive.replay import ReplayClient
from webhook.commands.shared.archive_files import policy_of_cluster, read_archive
from webhook.commands.shared.cluster import live_view
from webhook.commands.shared.input_files import read_policy
from webhook.commands.shared.prediction import PodVerdict, kind_word
from webhook.commands.shared.unread import POLICY, decide_noting, is_unknown
from webhook.commands.shared.view_sources import merged
from webhook.kube.values import empty_mapping
from webhook.observations.setback import NO_SETBACKS
from webhook.policy.model import Policy
from webhook.view.plugin_projections import known_plugins
from webhook.view.projections import view_of
from webhook.view.view import ClusterView


@dataclass(frozen=True, slots=True)
class ViewFiles:
    """The content of files: the policy, the view, and the kinds that could not be read when a file was written."""

    policy: Policy
    view: ClusterView
    unread: Mapping[str, str] = field(default_factory=empty_mapping)
    objects: Sequence[Mapping[str, Any]] = ()


async def read_view_files(files: Iterable[Path], policy_file: Path | None, policy: Policy | None = None) -> ViewFiles:
    """Return the merged content of files; for the same object the last file wins. Raises InputError.

    The policy is the given one, that of ``policy_file``, or that of the cluster in a file.
    """
    archives = [read_archive(file) for file in files]
    unread: dict[str, str] = {}
    if policy is None:
        policy, unread = await _policy(archives, policy_file)
    view = ClusterView()
    for archive in archives:
        more, unknown = await _view(archive, policy)
        view, unread = merged(view, more), {**unread, **unknown}
    if not policy.setbacks.plugins:
        view = replace(view, setbacks=NO_SETBACKS)
    unknown_kinds = {kind: why for kind, why in unread.items() if _is_unknown(view, kind)}
    return ViewFiles(policy, view, unknown_kinds, [item for archive in archives for item in archive.objects])


def report_missing(found: Iterable[PodVerdict], view: ClusterView) -> None:
    """Print to standard error which kinds a view lacks that could change a verdict."""
    lacking = {one.name for one in fields(view) if getattr(view, one.name) is None}
    if not lacking:
        return
    needed: set[str] = set()
    for one in found:
        if not one.unread:
            needed |= decide_noting(one.question.decide_with, view)[1]
    if words := ", ".join(sorted(kind_word(kind) for kind in lacking & needed)):
        click.echo(f"The view has no {words}, which could change the verdict. Save all: gpu-injector view", err=True)


def _is_unknown(view: ClusterView, kind: str) -> bool:
    return kind == POLICY or is_unknown(view, kind)


async def _policy(archives: Iterable[Archive], file: Path | None) -> tuple[Policy, dict[str, str]]:
    if file is None:
        for archive in archives:
            if archive.answers:
                installed = await policy_of_cluster(ReplayClient(archive), None, archive)
                return installed.policy, {POLICY: installed.unread} if installed.unread else {}
    return read_policy(file), {}


async def _view(archive: Archive, policy: Policy) -> tuple[ClusterView, Mapping[str, str]]:
    if not archive.answers:
        return view_of(archive.objects, known_plugins(policy), policy.is_gpu_resource), {}
    seen = await live_view(ReplayClient(archive), policy, wall_clock=lambda: archive.time)
    return seen.view, seen.unknown
