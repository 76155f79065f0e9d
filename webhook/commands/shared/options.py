"""The options that several commands have."""

from pathlib import Path

import click

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
PORT = click.IntRange(0, 65535)
TABLE_OR_JSON = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
KUBECONFIG = click.option("--kubeconfig", type=FILE, help="The kubeconfig file; without it, kubectl's own.")
CONTEXT = click.option("--context", help="The context in it; without it, the current one.")
POLICY = click.option("--policy", "policy_file", type=FILE, help="The policy; without it, every default.")
LIVE_POLICY = click.option(
    "--policy", "policy_file", type=FILE, help="The policy; without it, that of the webhook in the cluster."
)
