"""Archives as files: write them, open them, and read them instead of a cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import click

from webhook.archive.archive import Archive, ArchiveError, load
from webhook.archive.replay import ReplayClient
from webhook.commands.shared.cluster import InstalledPolicy, Target, api_server, installed_policy
from webhook.commands.shared.input_files import InputError
from webhook.kube.values import items, text
from webhook.kube_client.client import KubeClient


def read_archive(path: Path) -> Archive:
    """Return the archive in a file. Raises InputError where it cannot be used."""
    try:
        return load(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except ArchiveError as error:
        raise InputError(str(error)) from error


@asynccontextmanager
async def cluster_of(target: Target, archive: Archive | None) -> AsyncIterator[KubeClient]:
    """Open a client of the cluster, or of the archive instead. Raises InputError as ``api_server``."""
    if archive is None:
        async with api_server(target) as client:
            yield client
    else:
        yield ReplayClient(archive)


async def policy_of_cluster(client: KubeClient, file: Path | None, archive: Archive | None) -> InstalledPolicy:
    """Return the policy in use, as ``installed_policy``; for an archive, with what could not be read."""
    installed = await installed_policy(client, file)
    if archive is None or file is not None:
        return installed
    return replace(installed, unread=text(archive.facts.get("policyUnread")) or installed.unread)


def report_unread(archive: Archive) -> None:
    """Print to standard error what could not be read."""
    for path, status in sorted(archive.unread().items()):
        click.echo(f"Could not read: {path} ({status})", err=True)
    for replica in items(archive.facts.get("replicas")):
        if why := text(replica.get("unreachable")):
            click.echo(f"Could not read: state and decisions of {text(replica.get('replica'))} ({why})", err=True)
    if why := text(archive.facts.get("replicasUnread")):
        click.echo(f"Could not read: state and decisions of the replicas ({why})", err=True)
