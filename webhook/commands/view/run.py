"""``view``: everything that a decision reads, saved for offline use."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import click

from webhook.archive.archive import Archive, dump
from webhook.commands.shared.archive_files import report_unread
from webhook.commands.shared.cluster import Target, api_server
from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.read_cluster import record_view
from webhook.commands.shared.yaml_text import fast_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line."""

    target: Target
    policy_file: Path | None
    output: str


def view(options: Options) -> int:
    """Print the view; return the exit code."""
    archive = asyncio.run(_recorded(options))
    click.echo(fast_yaml(archive.to_list()) if options.output == "yaml" else dump(archive).decode())
    report_unread(archive)
    return ExitCode.UNREAD if archive.unread() else ExitCode.DONE


async def _recorded(options: Options) -> Archive:
    async with api_server(options.target) as client:
        return await record_view(client, options.policy_file)
