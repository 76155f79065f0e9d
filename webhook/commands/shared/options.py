"""The options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from webhook.commands.shared.completions import contexts, namespaces

if TYPE_CHECKING:
    from webhook.commands.shared.cluster import Target

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
PORT = click.IntRange(0, 65535)
TABLE_OR_JSON = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
TARGET = (
    click.option("--kubeconfig", type=FILE, help="The kubeconfig file; without it, kubectl's own."),
    click.option("--context", shell_complete=contexts, help="The context in it; without it, the current one."),
    click.option("--as", "as_user", metavar="USER", help="Ask as this user, or system:serviceaccount:NAMESPACE:NAME."),
    click.option("--as-group", "as_groups", metavar="GROUP", multiple=True, help="With --as: a group of that user."),
)
INSTALLED_IN_HELP = "The namespace of the webhook; without it, that of the registration."
INSTALLED_IN = click.option(
    "--installed-in", default="", metavar="NAMESPACE", shell_complete=namespaces, help=INSTALLED_IN_HELP
)
POLICY = click.option("--policy", "policy_file", type=FILE, help="The policy; without it, every default.")
LIVE_POLICY = click.option(
    "--policy", "policy_file", type=FILE, help="The policy; without it, that of the webhook in the cluster."
)


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which cluster, and as whom; ``target_of`` reads them."""
    for option in reversed(TARGET):
        command = option(command)
    return command


def target_of(options: dict[str, Any]) -> "Target":
    """Remove those options, and return what they say."""
    from webhook.commands.shared.cluster import Target

    user, groups = options.pop("as_user"), options.pop("as_groups")
    if groups and not user:
        raise click.UsageError("--as-group goes with --as")
    return Target(options.pop("kubeconfig"), options.pop("context"), user, groups)
