"""``export``: the part of the policy that the API server can do by itself, in CEL."""

from pathlib import Path

import click

from webhook.commands.shared.input_files import InputError, read_policy
from webhook.commands.shared.yaml_text import yaml_text
from webhook.registration.admission_policy import admission_policy, limits

HEAD = """\
# Made by `gpu-injector export mutating-admission-policy`; tried on Kubernetes 1.37 (1.33 does not know it yet).
# Do not apply it on Kubernetes 1.36: that API server ends with an error at the JSON patch, and refuses the pods.
#   Apply:  kubectl apply -f FILE
#   Undo:   kubectl delete -f FILE
# It does the part of the webhook's work that CEL can say, in the API server. Where the result differs:
"""


def mutating_admission_policy(policy_file: Path | None) -> None:
    """Print the MutatingAdmissionPolicy and its binding, with what they cannot do in comments."""
    policy = read_policy(policy_file)
    if policy.dry_run:
        raise InputError(
            f"{policy_file}: dryRun: true: nothing would be patched, and a MutatingAdmissionPolicy does not warn"
        )
    click.echo(HEAD + "\n".join(f"#   {line}" for line in limits(policy)))
    for item in admission_policy(policy):
        click.echo("---\n" + yaml_text(item), nl=False)
