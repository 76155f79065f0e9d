"""The options that select the objects of ``preview`` and ``eject``: files, or a cluster."""

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from webhook.commands.shared.completions import files, namespaces
from webhook.commands.shared.options import FILE, LIVE_POLICY, TARGET, target_of

if TYPE_CHECKING:
    from webhook.commands.shared.selection import Scope

OPTIONS = (
    click.option(
        "-f",
        "--filename",
        "files",
        multiple=True,
        shell_complete=files,
        help="A file, a folder, or - for stdin; may be repeated.",
    ),
    click.option("-R", "--recursive", is_flag=True, help="With a folder: also the folders below it."),
    click.option(
        "--view",
        "view_files",
        type=FILE,
        multiple=True,
        help="The cluster: a file of `gpu-injector view` or `collect`, or of `kubectl get … -o yaml`.",
    ),
    LIVE_POLICY,
    *TARGET,
    click.option(
        "-n",
        "--namespace",
        shell_complete=namespaces,
        help="For objects without a namespace; without -f: the namespace to read.",
    ),
    click.option("-A", "--all-namespaces", is_flag=True, help="Without -f: read all namespaces."),
    click.option("-l", "--selector", default="", help="Without -f: only objects with these labels."),
)


def scope_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; ``scope_of`` reads them."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def scope_of(options: dict[str, Any]) -> "Scope":
    """Remove those options, and refuse invalid combinations."""
    from webhook.commands.shared.selection import Scope

    target = target_of(options)
    everywhere = options.pop("all_namespaces")
    named = {one.name: options.pop(one.name) for one in fields(Scope) if one.name != "target"}
    if named["files"] and (everywhere or named["selector"]):
        raise click.UsageError("-A and -l select objects of a cluster, and cannot be used with -f")
    if everywhere and named["namespace"]:
        raise click.UsageError("-A and -n cannot be used together")
    return Scope(target=target, **named | {"namespace": "" if everywhere else named["namespace"]})
