"""``verify``, and ``probe``, which it runs in its pods."""

import sys
from typing import Any

import click

from webhook.commands.shared.completions import namespaces
from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import LIVE_POLICY, TABLE_OR_JSON, target_of, target_options


@click.command()
@target_options
@click.option(
    "-n",
    "--namespace",
    shell_complete=namespaces,
    default="",
    help="Create the pods in this namespace; by default in a temporary one.",
)
@LIVE_POLICY
@click.option("--node", "nodes", multiple=True, help="Only this node; may be repeated.")
@click.option("--image", default="", help="An image with Python; by default that of our Deployment.")
@TABLE_OR_JSON
@click.option("--timeout", "timeout_seconds", type=click.FloatRange(0), default=120, show_default=True, help="Seconds.")
@click.option("--server-side", is_flag=True, help="Create no pod: only a dry run in the API server.")
@states_exit_codes("verify")
def verify(**options: Any) -> None:
    """Prove that GPU pods work: a pod on each GPU node loads NVML and CUDA's driver library, and is deleted.

    \b
    gpu-injector verify
    gpu-injector verify --node gpu-1 --image python:3.13-slim
    gpu-injector verify --server-side -n ml
    """
    from webhook.commands.verify.run import Options
    from webhook.commands.verify.run import verify as command

    sys.exit(command(Options(target=target_of(options), **options)))


@click.command(hidden=True)
def probe() -> None:
    """Print the GPUs of this container as JSON: the program that `verify` runs in its pods.

    \b
    kubectl exec trainer-0 -- gpu-injector probe
    """
    import json

    from webhook.verify.probe import probe as look

    click.echo(json.dumps(look()))
