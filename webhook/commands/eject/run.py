"""``eject``: the patches that make the webhook unnecessary for what runs today, so that it can be uninstalled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from webhook.commands.eject.plan import eject as ejected
from webhook.commands.eject.render import MADE_BY, WRITERS, kustomize_folder
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.owners import Owners
from webhook.commands.shared.selection import Scope, verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is looked at, in which form the patches come, and into which folder (None: standard output)."""

    scope: Scope
    output: str
    folder: Path | None


def eject(options: Options) -> int:
    """Write the patches; return the exit code: 0 nothing to be written down, 1 something."""
    owners = Owners(lambda what: click.echo(f"Not looked at: {what}", err=True))
    made = ejected(verdicts(options.scope, options.scope.manifests(), owners.above))
    if options.folder:
        _write(options.folder, kustomize_folder(made))
    else:
        click.echo(WRITERS[options.output](made), nl=False)
    patches, notes = made
    click.echo(f"{len(patches)} patched, {len(notes)} that no patch is made of", err=True)
    return int(bool(patches))


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files, over those of an earlier run but over nothing else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [name for name in files if (folder / name).exists() and not _is_ours(folder / name)]
        if foreign:
            raise InputError(f"{folder / foreign[0]}: it is there already, and not made by `gpu-injector eject`")
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from error
    click.echo(f"Written: {len(files)} files in {folder}", err=True)


def _is_ours(path: Path) -> bool:
    return path.read_bytes().startswith(MADE_BY.encode())
