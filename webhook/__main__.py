"""The command line, ``gpu-injector``: its commands are a file each in ``webhook/cli``."""

import io
import sys

import click

from webhook.cli.certs import certs
from webhook.cli.completion import completion
from webhook.cli.decisions import decisions
from webhook.cli.demo import demo
from webhook.cli.doctor import doctor
from webhook.cli.eject import eject
from webhook.cli.export import export
from webhook.cli.policy import policy
from webhook.cli.preview import preview
from webhook.cli.serve import serve
from webhook.cli.verify import probe, verify
from webhook.cli.why import why

COMMANDS = (certs, completion, decisions, demo, doctor, eject, export, policy, preview, probe, serve, verify, why)
# As a shell has it for Ctrl-C: 1 would say that something would change, or failed.
INTERRUPTED = 130


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted", err=True)
            ctx.exit(INTERRUPTED)


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
    # Manifests and JSON are UTF-8 whatever the locale says; what cannot be written, a lone surrogate, is escaped.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    main()
