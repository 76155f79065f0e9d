"""``decisions``: show the webhook's last decisions."""

import sys
from typing import Any

import click

from webhook.commands.shared.completions import namespaces, reasons, verdicts
from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import INSTALLED_IN, PORT, TABLE_OR_JSON, target_of, target_options


@click.command()
@click.option(
    "-n", "--namespace", shell_complete=namespaces, default="", help="Only decisions on pods of this namespace."
)
@click.option("--verdict", shell_complete=verdicts, default="", help="inject, mount, bootstrap or leave.")
@click.option(
    "--reason", shell_complete=reasons, default="", help="One word of docs/reasons.md, such as handler-mixed."
)
@click.option("-q", "--search", "q", default="", help="Text in names, owner, warnings, evidence or uid.")
@click.option("--attention", is_flag=True, help="Only decisions with a warning.")
@TABLE_OR_JSON
@click.option("--follow", is_flag=True, help="Print new decisions as they are made; JSON comes line by line.")
@click.option("--web", is_flag=True, help="Open the page of all replicas in the browser, until Ctrl-C.")
@click.option("--port", type=PORT, default=0, help="With --web: the local port; 0 chooses a free one.")
@INSTALLED_IN
@target_options
@states_exit_codes("decisions")
def decisions(attention: bool, **options: Any) -> None:
    """Show the last decisions of all replicas: up to 1,000 of each.

    \b
    gpu-injector decisions -n ml --attention
    gpu-injector decisions --follow
    gpu-injector decisions --web

    It needs the rights to list the replicas' pods and to forward a port to them (get and create pods/portforward).
    """
    from webhook.commands.decisions import run as command
    from webhook.page.filters import Filters

    asked = {name: options.pop(name) for name in ("namespace", "verdict", "reason", "q")}
    filters = Filters.of({**asked, "attention": "1" if attention else ""})
    sys.exit(command.decisions(command.Options(target=target_of(options), filters=filters, **options)))
