"""``verify``, and ``probe``, which it runs in its pods."""

import sys
from pathlib import Path
from typing import Any

import click

from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import CONTEXT, KUBECONFIG, LIVE_POLICY, TABLE_OR_JSON


@click.command()
@KUBECONFIG
@CONTEXT
@click.option("-n", "--namespace", default="", help="Make the pods here; without it, in a namespace made for it.")
@LIVE_POLICY
@click.option("--node", "nodes", multiple=True, help="Only this node; may be given again.")
@click.option("--image", default="", help="Another image with Python; without it, that of our Deployment.")
@TABLE_OR_JSON
@click.option("--timeout", "timeout_seconds", type=click.FloatRange(0), default=120, show_default=True, help="Seconds.")
@click.option("--server-side", is_flag=True, help="Make no pod: only ask the API server what it would make of one.")
@states_exit_codes("verify")
def verify(kubeconfig: Path | None, context: str | None, **options: Any) -> None:
    """Prove that GPU pods work: a pod on each GPU node loads NVML and CUDA's driver library, and is removed again.

    \b
    gpu-injector verify
    gpu-injector verify --node gpu-1 --image python:3.13-slim
    gpu-injector verify --server-side -n ml
    """
    from webhook.commands.shared.cluster import Target
    from webhook.commands.verify.run import Options
    from webhook.commands.verify.run import verify as command

    sys.exit(command(Options(target=Target(kubeconfig, context), **options)))


@click.command(hidden=True)
def probe() -> None:
    """Say as JSON what GPU this container has: what `verify` runs in its pods.

    \b
    kubectl exec trainer-0 -- gpu-injector probe
    """
    import json

    from webhook.verify.probe import probe as look

    click.echo(json.dumps(look()))
