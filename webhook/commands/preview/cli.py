"""``preview``: show what the webhook would do."""

import sys
from typing import Any

import click

from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.selection_options import scope_of, scope_options


@click.command()
@scope_options
@click.option(
    "-o", "--output", type=click.Choice(["table", "diff", "patch", "yaml", "json"]), help="diff; without -f table."
)
@click.option("--explain", is_flag=True, help="Show each rule that was tried, with its evidence.")
@states_exit_codes("preview")
def preview(output: str | None, explain: bool, **options: Any) -> None:
    """Show what the webhook would do, before anything is created.

    \b
    A manifest, with the cluster of your kubeconfig:
      gpu-injector preview -f pod.yaml
    A chart, without any cluster:
      gpu-injector view > view.yaml
      helm template my-chart | gpu-injector preview -f - --view view.yaml
    Patched without the webhook:
      helm template my-chart | gpu-injector preview -f - -o yaml | kubectl apply -f -
    Running workloads, if they were re-created:
      gpu-injector preview -A
    Why:
      gpu-injector preview -f pod.yaml --explain

    The cluster is that of the kubeconfig, and the policy that of the webhook in it; --view FILE takes its place, or
    joins it if --kubeconfig or --context is given, too. --policy takes the policy's place.
    """
    from webhook.commands.preview import run as command

    scope = scope_of(options)
    output = output or ("diff" if scope.files else "table")
    if explain and output in ("patch", "yaml"):
        raise click.UsageError("--explain goes with -o table, diff and json")
    sys.exit(command.preview(command.Options(scope=scope, output=output, explain=explain)))
