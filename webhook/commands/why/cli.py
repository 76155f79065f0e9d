"""``why``: explain the decision on a pod."""

import sys
from typing import Any

import click

from webhook.commands.shared.completions import namespaces, pods
from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import FILE, LIVE_POLICY, target_of, target_options


@click.command()
@click.argument("words", metavar="[KIND/]NAME", nargs=-1, required=True, shell_complete=pods)
@LIVE_POLICY
@target_options
@click.option("--from", "archive_file", type=FILE, help="Read a file of `gpu-injector collect` instead of the cluster.")
@click.option("-n", "--namespace", shell_complete=namespaces, help="Without it, the namespace of the context.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@states_exit_codes("why")
def why(words: tuple[str, ...], **options: Any) -> None:
    """Explain the decision on an object's pods: is the webhook called, was it called, and what is decided today.

    \b
    gpu-injector why trainer-0 -n ml
    gpu-injector why deploy/trainer -n ml
    gpu-injector why deploy trainer -n ml
    gpu-injector why pod/trainer-0 -n ml --from gpu-injector.json.gz
    gpu-injector why rayclusters.ray.io/trainer -n ml

    A name alone is a pod's. KIND is any kind that kubectl knows in the cluster, if its pod template can be found.
    The policy is that of the webhook in the cluster, if it can be read; --policy replaces it.
    """
    from webhook.commands.why import run as command

    sys.exit(command.why(command.Options(thing=thing_of(words), target=target_of(options), **options)))


def thing_of(words: tuple[str, ...]) -> str:
    """Return what is asked about as ``KIND/NAME``: kubectl also takes a name alone, and kind and name as two words."""
    if len(words) == 1:
        return words[0] if "/" in words[0] else f"pod/{words[0]}"
    if len(words) == 2 and not any("/" in word for word in words):  # noqa: PLR2004 - a kind and a name
        return "/".join(words)
    raise click.UsageError("name one object: NAME, KIND/NAME or KIND NAME")
