"""``policy``: check, show, schema."""

import sys
from pathlib import Path

import click

from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import FILE


@click.group()
def policy() -> None:
    """Check a policy file, show every key with its meaning, or print its JSON Schema.

    \b
    gpu-injector policy show > policy.yaml
    gpu-injector policy check policy.yaml
    """


@policy.command("check")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@states_exit_codes("policy check")
def policy_check(file: Path, output: str) -> None:
    """Check a policy file as the server would, and print a line for each fault; ``-`` is standard input.

    \b
    gpu-injector policy check policy.yaml
    gpu-injector policy check -o json - < policy.yaml
    """
    from webhook.commands.policy import run as command

    sys.exit(command.check(file, as_json=output == "json"))


@policy.command("show")
@click.argument("file", type=FILE, required=False)
@states_exit_codes("policy show")
def policy_show(file: Path | None) -> None:
    """Print every key with its meaning, as a policy file: the defaults, or the values of FILE.

    \b
    gpu-injector policy show > policy.yaml
    """
    from webhook.commands.policy import run as command

    command.show(file)


@policy.command("schema")
@states_exit_codes("policy schema")
def policy_schema() -> None:
    """Print the JSON Schema of the policy file.

    \b
    gpu-injector policy schema > policy.schema.json
    # then, as the first line of policy.yaml:
    # yaml-language-server: $schema=policy.schema.json
    """
    from webhook.commands.policy import run as command

    command.schema()
