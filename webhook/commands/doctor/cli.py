"""``doctor``: find out why GPU pods do not work here."""

import sys
from typing import Any

import click

from webhook.commands.shared.completions import namespaces
from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import FILE, LIVE_POLICY, target_of, target_options


@click.command()
@target_options
@click.option(
    "-n", "--namespace", shell_complete=namespaces, default="", help="Check only the GPU pods of this namespace."
)
@LIVE_POLICY
@click.option("-o", "--output", type=click.Choice(["table", "json", "short"]), default="table", show_default=True)
@click.option("--from", "archive_file", type=FILE, help="Read a file of `gpu-injector collect` instead of the cluster.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(0),
    default=0,
    help="Repeat for this many seconds, until nothing fails.",
)
@states_exit_codes("doctor")
def doctor(**options: Any) -> None:
    """Find out why GPU pods do not work in this cluster. It only reads; one pod is sent as a dry run, none is created.

    \b
    gpu-injector doctor
    gpu-injector doctor -n ml -o short
    gpu-injector doctor --wait 120 -o json
    gpu-injector doctor --from gpu-injector.json.gz
    """
    from webhook.commands.doctor.run import Options
    from webhook.commands.doctor.run import doctor as command

    sys.exit(command(Options(target=target_of(options), **options)))
