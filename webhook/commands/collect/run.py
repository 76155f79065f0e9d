"""``collect``: everything that doctor, why and preview read, in one file without secrets."""

import asyncio
import gzip
import secrets
from dataclasses import dataclass
from pathlib import Path

import click

from webhook.archive.anonymise import anonymise
from webhook.archive.archive import Archive, json_lines
from webhook.commands.shared.archive_files import report_unread
from webhook.commands.shared.cluster import Target, api_server
from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.list_workloads import progress_bar
from webhook.commands.shared.read_cluster import record_all

SALT_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line."""

    target: Target
    policy_file: Path | None
    namespace: str
    file: Path
    anonymise: bool


def collect(options: Options) -> int:
    """Write the archive; return the exit code. Raises InputError if the file cannot be written."""
    archive = asyncio.run(_recorded(options))
    if options.anonymise:
        archive = anonymise(archive, secrets.token_bytes(SALT_BYTES))
    is_compressed = options.file.suffix == ".gz"
    try:
        with gzip.open(options.file, "wb") if is_compressed else options.file.open("wb") as file:
            file.writelines(json_lines(archive))
    except OSError as error:
        raise InputError(f"{options.file}: {error.strerror or error}") from error
    report_unread(archive)
    click.echo(f"{options.file}: {len(archive.objects)} objects, {len(archive.texts)} logs", err=True)
    return ExitCode.UNREAD if archive.unread() else ExitCode.DONE


async def _recorded(options: Options) -> Archive:
    asked = {
        "policy_file": options.policy_file,
        "scope": options.namespace,
        "own_namespace": options.target.namespace(),
    }
    async with api_server(options.target) as client:
        with progress_bar() as progress:
            return await record_all(client, asked, progress)
