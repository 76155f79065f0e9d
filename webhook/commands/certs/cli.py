"""``certs``: show, rotate."""

import sys
from typing import Any

import click

from webhook.commands.shared.completions import namespaces
from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import INSTALLED_IN_HELP, TABLE_OR_JSON, target_of, target_options

# Nothing else of this command has a namespace, so kubectl's flag works too.
IN = click.option(
    "--installed-in",
    "-n",
    "--namespace",
    default="",
    metavar="NAMESPACE",
    shell_complete=namespaces,
    help=INSTALLED_IN_HELP,
)


@click.group()
def certs() -> None:
    """Show the webhook's certificates, or rotate them now.

    \b
    gpu-injector certs show
    gpu-injector certs rotate
    """


@certs.command()
@IN
@target_options
@TABLE_OR_JSON
@states_exit_codes("certs show")
def show(**options: Any) -> None:
    """Show the served and the registered certificates, when they expire, and the next step.

    \b
    gpu-injector certs show
    gpu-injector certs show -o json

    Every replica is asked for its certificate over TLS, by port-forward (create pods/portforward).
    """
    from webhook.commands.certs import run as command

    sys.exit(command.show(command.Options(target=target_of(options), **options)))


@certs.command()
@click.option("--revoke", is_flag=True, help="Stop trusting the former CA within minutes: for a leaked key.")
@IN
@target_options
@TABLE_OR_JSON
@states_exit_codes("certs rotate")
def rotate(revoke: bool, **options: Any) -> None:
    """Begin a rotation of CA and certificate now, gracefully: no call of the API server fails.

    \b
    gpu-injector certs rotate
    A key leaked:
      gpu-injector certs rotate --revoke

    It needs the right to patch the Secret.
    """
    from webhook.commands.certs import run as command

    asked = command.Options(target=target_of(options), **options)
    sys.exit(command.rotate(asked, "revoke" if revoke else "graceful"))
