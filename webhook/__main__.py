"""The command line, ``gpu-injector``: each command is a package in ``webhook/commands``."""

import sys
from typing import Any

import click

from webhook.commands.certs.cli import certs
from webhook.commands.collect.cli import collect
from webhook.commands.completion.cli import completion
from webhook.commands.completion.kubectl import completions
from webhook.commands.decisions.cli import decisions
from webhook.commands.demo.cli import demo
from webhook.commands.doctor.cli import doctor
from webhook.commands.eject.cli import eject
from webhook.commands.export.cli import export
from webhook.commands.policy.cli import policy
from webhook.commands.preview.cli import preview
from webhook.commands.serve.cli import serve
from webhook.commands.shared.output_errors import CLOSED_PIPE, OutputError, drop_output, is_of_output
from webhook.commands.shared.terminal import prepare_output
from webhook.commands.verify.cli import probe, verify
from webhook.commands.view.cli import view
from webhook.commands.why.cli import why

COMMANDS = (
    *(certs, collect, completion, decisions, demo, doctor, eject, export, policy, preview, probe, serve, verify),
    *(view, why),
)
# As a shell has it for Ctrl-C: 1 would say that something would change, or failed.
INTERRUPTED = 130


# kubectl runs a program of this name for `kubectl gpu-injector`.
USAGE = {"kubectl-gpu_injector": "kubectl gpu-injector"}


class _Commands(click.Group):
    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401  as click has it
    ) -> click.Context:
        """Return the context; its name begins the usage line."""
        return super().make_context(USAGE.get(info_name or "", info_name), args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except SystemExit as ended:
            # Rich ends with 1 at a closed pipe.
            if not isinstance(ended.__context__, BrokenPipeError):
                raise
            ctx.exit(CLOSED_PIPE)
        except OSError as error:
            if not is_of_output(error):
                raise
            drop_output()
            if isinstance(error, BrokenPipeError):
                ctx.exit(CLOSED_PIPE)
            raise OutputError(f"the output could not be written: {error.strerror}") from error


@click.group(cls=_Commands, commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gpu-injector", prog_name="gpu-injector")
def main() -> None:
    """Give GPU pods, and NVIDIA's device plugin, their driver.

    \b
    On this machine, without a cluster:
      gpu-injector demo
    Before anything is created:
      gpu-injector preview -f pod.yaml
    When a pod sees no GPU:
      gpu-injector doctor
      gpu-injector why pod/NAME -n NAMESPACE
    Before the webhook is uninstalled:
      gpu-injector eject -A

    All of it works as a kubectl plugin, too: kubectl gpu-injector doctor
    """
    prepare_output()


def complete_for_kubectl() -> None:
    """Print what completes a line of ``kubectl gpu-injector``."""
    click.echo("\n".join(completions(main, sys.argv[1:])))


if __name__ == "__main__":
    main()
