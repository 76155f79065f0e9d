"""``collect``: one archive for support."""

import sys
from typing import Any

import click

from webhook.commands.shared.completions import namespaces
from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import FILE, LIVE_POLICY, target_of, target_options


@click.command()
@LIVE_POLICY
@target_options
@click.option(
    "-n", "--namespace", shell_complete=namespaces, default="", help="Only GPU pods and events of this namespace."
)
@click.option("-f", "--file", "file", type=FILE, default="gpu-injector.json.gz", show_default=True)
@click.option("--anonymise", is_flag=True, help="Replace the names of nodes, namespaces and workloads by hashes.")
@states_exit_codes("collect")
def collect(**options: Any) -> None:
    """Write everything that doctor reads into one file, for support. It contains no secrets.

    \b
    gpu-injector collect
    gpu-injector doctor --from gpu-injector.json.gz
    gpu-injector why pod/trainer-0 -n ml --from gpu-injector.json.gz
    gpu-injector preview -f pod.yaml --view gpu-injector.json.gz

    Objects are reduced to the fields that checks read: no value of a variable, no argument, no annotation and no Secret
    gets into the file, and credentials are taken out of logs and messages. It needs the rights of a viewer; what could
    not be read is printed to standard error. Look into the file before you send it: names and labels are in it, without
    --anonymise also those of people and projects.
    """
    from webhook.commands.collect import run as command

    sys.exit(command.collect(command.Options(target=target_of(options), **options)))
