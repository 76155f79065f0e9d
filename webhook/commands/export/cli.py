"""``export``: print what Kubernetes can do without the webhook."""

from pathlib import Path

import click

from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import POLICY


@click.group()
def export() -> None:
    """Print what other parts of Kubernetes can do without the webhook.

    \b
    gpu-injector export mutating-admission-policy
    """


@export.command("mutating-admission-policy")
@POLICY
@states_exit_codes("export mutating-admission-policy")
def export_mutating_admission_policy(policy_file: Path | None) -> None:
    """Print a MutatingAdmissionPolicy: the part of the policy that CEL can express; comments list the rest.

    \b
    gpu-injector export mutating-admission-policy --policy policy.yaml | kubectl apply -f -
    """
    from webhook.commands.export import run as command

    command.mutating_admission_policy(policy_file)
