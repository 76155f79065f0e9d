"""``why``: explain the decision on a pod."""

import sys
from pathlib import Path
from typing import Any

import click

from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import CONTEXT, FILE, KUBECONFIG, LIVE_POLICY


@click.command()
@click.argument("thing", metavar="KIND/NAME")
@LIVE_POLICY
@KUBECONFIG
@CONTEXT
@click.option("--from", "archive_file", type=FILE, help="Read a file of `gpu-injector collect` instead of the cluster.")
@click.option("-n", "--namespace", help="Without it, the namespace of the context.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@states_exit_codes("why")
def why(thing: str, kubeconfig: Path | None, context: str | None, **options: Any) -> None:
    """Explain the decision on an object's pods: is the webhook called, was it called, and what is decided today.

    \b
    gpu-injector why pod/trainer-0 -n ml
    gpu-injector why deploy/trainer -n ml
    gpu-injector why pod/trainer-0 -n ml --from gpu-injector.json.gz
    gpu-injector why rayclusters.ray.io/trainer -n ml

    KIND is any kind that kubectl knows in the cluster, if it has a pod template that can be found.
    The policy is that of the webhook in the cluster, if it can be read; --policy replaces it.
    """
    from webhook.commands.shared.cluster import Target
    from webhook.commands.why import run as command

    sys.exit(command.why(command.Options(thing=thing, target=Target(kubeconfig, context), **options)))
