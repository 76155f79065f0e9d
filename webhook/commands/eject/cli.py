"""``eject``: print patches that replace the webhook."""

import sys
from pathlib import Path
from typing import Any

import click

from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import FOLDER
from webhook.commands.shared.selection_options import scope_of, scope_options


@click.command()
@scope_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["kustomize", "kubectl", "json"]),
    default="kustomize",
    show_default=True,
    help="kubectl: a shell script of `kubectl patch`.",
)
@click.option("--output-dir", "folder", type=FOLDER, help="With -o kustomize: write the component into this folder.")
@states_exit_codes("eject")
def eject(output: str, folder: Path | None, **options: Any) -> None:
    """Print the patches that make the webhook unnecessary for the running workloads, before you uninstall it.

    \b
    What runs in the cluster, as a kustomize component:
      gpu-injector eject -A --output-dir eject
    Manifests, without any cluster:
      gpu-injector eject -f manifests -R --view view.yaml --output-dir eject
    Patched in the cluster itself, at once:
      gpu-injector eject -n ml -o kubectl | sh

    Nothing is changed. Objects that no patch can cover, such as pods without a controller, are listed in comments.
    """
    from webhook.commands.eject import run as command

    if folder and output != "kustomize":
        raise click.UsageError("--output-dir goes with -o kustomize")
    sys.exit(command.eject(command.Options(scope=scope_of(options), output=output, folder=folder)))
