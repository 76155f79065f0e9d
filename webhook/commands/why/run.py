"""``why``: would the webhook be called for these pods, was it, and what would be decided today, rule by rule."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from webhook.archive.archive import Archive
from webhook.commands.shared.archive_files import cluster_of, policy_of_cluster, read_archive
from webhook.commands.shared.cluster import Target, live_view
from webhook.commands.shared.evaluate import predict
from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.json_output import JSON_VERSION
from webhook.commands.shared.prediction import PodVerdict, Situation
from webhook.commands.shared.try_pods import with_tries
from webhook.commands.shared.unread import POLICY
from webhook.commands.why.explanation import REGISTRATION, Called, Explanation, carries, print_text, to_json
from webhook.commands.why.resolve_kind import find_object
from webhook.kube.metadata import metadata
from webhook.kube.values import EMPTY, items, mapping, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.paging import objects
from webhook.names import BOOTSTRAP_ENTRY, WORKLOADS_ENTRY
from webhook.registration.match import MatchCheck, checks
from webhook.view.live_view import utc_now

REGISTRATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line; ``thing`` is KIND/NAME, ``namespace`` None that of the context."""

    thing: str
    target: Target
    policy_file: Path | None
    namespace: str | None
    output: str
    archive_file: Path | None = None


def why(options: Options) -> int:
    """Print the explanations; return the exit code. Raises InputError where the object does not exist."""
    archive = read_archive(options.archive_file) if options.archive_file else None
    usual = options.target.namespace() if archive is None else text(archive.facts.get("namespace")) or "default"
    answers = asyncio.run(_ask(options, options.namespace or usual, archive))
    if options.output == "json":
        found = {"version": JSON_VERSION, "explanations": [to_json(answer) for answer in answers]}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for answer in answers:
            print_text(answer, console)
    return ExitCode.DONE if all(answer.is_complete for answer in answers) else ExitCode.UNREAD


async def _ask(options: Options, namespace: str, archive: Archive | None) -> list[Explanation]:
    now = utc_now() if archive is None else archive.time
    async with cluster_of(options.target, archive) as client:
        installed = await policy_of_cluster(client, options.policy_file, archive)
        item = await find_object(client, options.thing, namespace)
        snapshot = await live_view(
            client, installed.policy, {"namespaces": [namespace]}, lambda: now, registered=installed.registered
        )
        entries = await _entries(client)
        unread = {**({POLICY: installed.unread} if installed.unread else {}), **snapshot.unknown}
        found = list(predict(item, Situation(installed.policy, snapshot.view, namespace, unread)))
        if archive is None:
            found = await with_tries(client, found)
        try:
            pods, past_unread = await _pods(client, item, namespace), False
            past = tuple(map(carries, pods)) or (_why_no_pods(item),)
        except ApiError as error:
            pods, past, past_unread = (), (f"its pods could not be read: {error}",), True
    labels = (snapshot.view.namespaces or {}).get(namespace)
    if not found:
        template = "no pod template that could be found"
        raise InputError(f"{options.thing} has {template}; name one of its pods instead: pod/NAME")
    return [
        Explanation(one.explained(), tuple(_called(entries, one, namespace, labels)), past, past_unread, pods)
        for one in found
    ]


async def _entries(client: KubeClient) -> list[Mapping[str, Any]] | str:
    """Return our entries, or why they are unknown."""
    try:
        found = await objects(client, REGISTRATIONS)
    except ApiError as refused:
        return f"the registrations are unknown: the API server answered {refused}"
    return [
        entry
        for item in found
        for entry in items(item.get("webhooks"))
        if entry.get("name") in (WORKLOADS_ENTRY, BOOTSTRAP_ENTRY)
    ]


def _called(
    entries: list[Mapping[str, Any]] | str, one: PodVerdict, namespace: str, labels: Mapping[str, str] | None
) -> Iterator[Called]:
    wanted = BOOTSTRAP_ENTRY if one.question.is_plugin else WORKLOADS_ENTRY
    if one.dry_run and one.dry_run.word:
        yield Called(wanted, (MatchCheck("server-side dry-run", True, f"the webhook answered {one.dry_run.word}"),))
        return
    if isinstance(entries, str):
        yield Called(wanted, (MatchCheck(REGISTRATION, None, entries),))
        return
    ours = [entry for entry in entries if entry.get("name") == wanted]
    for entry in ours:
        yield Called(wanted, tuple(checks(entry, one.question.pod, namespace, labels)))
    if not ours:
        yield Called(wanted, (MatchCheck(REGISTRATION, False, f"no registration has the entry {wanted}"),))


async def _pods(client: KubeClient, item: Mapping[str, Any], namespace: str) -> tuple[Mapping[str, Any], ...]:
    """Return the existing pods: the pod itself, those of the object's selector, or those that it owns."""
    if item.get("kind") == "Pod":
        return (item,)
    labels = _selected(item)
    query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else EMPTY
    pods = await objects(client, f"/api/v1/namespaces/{namespace}/pods", query)
    return tuple(pod for pod in pods if labels or _is_owned(pod, item))


def _selected(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(mapping(item.get("spec")).get("selector")).get("matchLabels"))


def _why_no_pods(item: Mapping[str, Any]) -> str:
    if _selected(item):
        return "it has no pods now"
    return "no pod has it as its owner; if its pods have other owners, name one of them: pod/NAME"


def _is_owned(pod: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    uid = metadata(item).get("uid")
    return any(owner.get("uid") == uid for owner in items(metadata(pod).get("ownerReferences")))
