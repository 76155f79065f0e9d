"""``eject``: print the patches that make the webhook unnecessary, so that it can be uninstalled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from webhook.commands.eject.plan import eject as ejected
from webhook.commands.eject.render import MADE_BY, WRITERS, Made, kustomize_folder
from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.owners import Owners
from webhook.commands.shared.selection import Scope, SelectedWorkloads, verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The selected objects, the form of the patches, and their folder (None: standard output)."""

    scope: Scope
    output: str
    folder: Path | None


def eject(options: Options) -> int:
    """Write the patches; return the exit code."""
    owners = Owners(lambda line: click.echo(line, err=True))
    skipped: list[str] = []
    found = verdicts(options.scope, options.scope.manifests(skipped.append), owners.above)
    made = Made(*ejected(found.verdicts), unread=_unread(found) | owners.unread)
    if options.folder:
        _write(options.folder, kustomize_folder(made))
    else:
        click.echo(WRITERS[options.output](made), nl=False)
    for line in skipped:
        click.echo(f"Skipped: {line}", err=True)
    click.echo(f"{len(made.ejections)} patched, {len(made.notes)} without a patch", err=True)
    if made.unread:
        click.echo("INCOMPLETE: not everything could be read, so patches may be missing", err=True)
        return ExitCode.UNREAD
    return ExitCode.CHANGES if made.ejections else ExitCode.DONE


def _unread(found: SelectedWorkloads) -> dict[str, str]:
    """Return what could not be read, of the workloads and of what their decisions depend on."""
    of_verdicts = {kind: one.question.situation.unread[kind] for one in found.verdicts for kind in one.unread}
    return {**found.unread, **of_verdicts}


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files; overwrite only those of an earlier run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [name for name in files if (folder / name).exists() and not _is_ours(folder / name)]
        if foreign:
            raise InputError(f"{folder / foreign[0]}: it exists already, and `gpu-injector eject` did not write it")
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from error
    click.echo(f"Written: {len(files)} files in {folder}", err=True)


def _is_ours(path: Path) -> bool:
    return path.read_bytes().startswith(MADE_BY.encode())
