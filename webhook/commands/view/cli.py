"""``view``: save what a decision reads."""

import sys
from typing import Any

import click

from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import LIVE_POLICY, target_of, target_options


@click.command()
@LIVE_POLICY
@target_options
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@states_exit_codes("view")
def view(**options: Any) -> None:
    """Print everything that a decision reads, for use without the cluster. It contains no secrets.

    \b
    gpu-injector view > view.yaml
    gpu-injector preview -f pod.yaml --view view.yaml

    Objects are reduced to the fields that decisions read: no value of a variable, no argument, no annotation and no
    Secret gets into the file. What could not be read is printed to standard error, and stays unknown in the file.
    """
    from webhook.commands.view import run as command

    sys.exit(command.view(command.Options(target=target_of(options), **options)))
