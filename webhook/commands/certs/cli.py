"""``certs``: show, rotate."""

import sys
from pathlib import Path
from typing import Any

import click

from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import CONTEXT, KUBECONFIG, TABLE_OR_JSON

INSTALLED_IN = click.option(
    "-n", "--namespace", default="gpu-injector", show_default=True, help="The namespace of the replicas."
)


@click.group()
def certs() -> None:
    """Show the webhook's certificates, or rotate them now.

    \b
    gpu-injector certs show
    gpu-injector certs rotate
    """


@certs.command()
@INSTALLED_IN
@KUBECONFIG
@CONTEXT
@TABLE_OR_JSON
@states_exit_codes("certs show")
def show(kubeconfig: Path | None, context: str | None, **options: Any) -> None:
    """Show the served and the registered certificates, when they expire, and the next step.

    \b
    gpu-injector certs show
    gpu-injector certs show -n my-namespace -o json

    Every replica is asked for its certificate over TLS, by port-forward (create pods/portforward).
    """
    from webhook.commands.certs import run as command
    from webhook.commands.shared.cluster import Target

    sys.exit(command.show(command.Options(target=Target(kubeconfig, context), **options)))


@certs.command()
@click.option("--revoke", is_flag=True, help="Stop trusting the former CA within minutes: for a leaked key.")
@INSTALLED_IN
@KUBECONFIG
@CONTEXT
@TABLE_OR_JSON
@states_exit_codes("certs rotate")
def rotate(kubeconfig: Path | None, context: str | None, revoke: bool, **options: Any) -> None:
    """Begin a rotation of CA and certificate now, gracefully: no call of the API server fails.

    \b
    gpu-injector certs rotate
    A key leaked:
      gpu-injector certs rotate --revoke

    It needs the right to patch the Secret.
    """
    from webhook.commands.certs import run as command
    from webhook.commands.shared.cluster import Target

    asked = command.Options(target=Target(kubeconfig, context), **options)
    sys.exit(command.rotate(asked, "revoke" if revoke else "graceful"))
