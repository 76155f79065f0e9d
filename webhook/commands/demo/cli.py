"""``demo``: show the webhook on one machine."""

import sys
from pathlib import Path

import click

from webhook.commands.shared.exit_codes import states_exit_codes


@click.command()
@click.option("--examples", type=click.Path(path_type=Path, file_okay=False), help="The folder of pods and view.")
@states_exit_codes("demo")
def demo(examples: Path | None) -> None:
    """Show on this machine what the webhook does: real reviews over HTTPS, no cluster.

    \b
    gpu-injector demo
    gpu-injector demo --examples my-pods
    """
    from webhook.commands.demo.run import demo as command

    sys.exit(command(examples))
