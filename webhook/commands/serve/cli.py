"""``serve``: the webhook itself."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from webhook.commands.shared.exit_codes import states_exit_codes
from webhook.commands.shared.options import FILE, FOLDER, POLICY, PORT

DAYS = click.FloatRange(0, 3650, min_open=True)
SECONDS = click.FloatRange(0, 3600, min_open=True)
SETBACK_SECONDS = click.FloatRange(0, 86400, min_open=True)


@contextmanager
def _lacking(package: str) -> Iterator[None]:
    """Import modules as if a package were not installed. They must work without it.

    structlog imports rich if it is installed, for coloured tracebacks that a server never prints: that costs 3 MiB.
    No part of structlog can be imported without it, and there is no setting (structlog/dev.py, as of 25.5).
    """
    loaded = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]  # documented: an import of it fails then
    try:
        yield
    finally:
        del sys.modules[package]
        if loaded:
            sys.modules[package] = loaded


@click.command()
@click.option("--standalone", is_flag=True, help="Without a cluster, with a view from a file.")
@click.option(
    "--view",
    "view_file",
    type=FILE,
    help="With --standalone: a file of `gpu-injector view`, or of `kubectl get … -o yaml`.",
)
@POLICY
@click.option("--kubeconfig", type=FILE, help="The kubeconfig of the API server; not needed in a pod.")
@click.option(
    "--host", default="", help="The address to listen on; by default all in a cluster, loopback with --standalone."
)
@click.option("--port", type=PORT, default=8443, show_default=True, help="0 chooses a free one.")
@click.option("--admin-port", type=PORT, default=8080, show_default=True, help="The port of probes and metrics.")
@click.option(
    "--decisions-port", type=PORT, default=8081, show_default=True, help="The port of page and decisions, on loopback."
)
@click.option("--ca-file", type=FILE, help="With --standalone: write the CA's certificate here, for clients.")
@click.option("--tls-name", "tls_names", multiple=True, help="One more name or address in the certificate.")
@click.option(
    "--cert-dir", type=FOLDER, help="Serve tls.crt and tls.key of this folder, such as cert-manager's Secret."
)
@click.option("--node-facts", is_flag=True, help="Use what the DaemonSet gpu-injector-node-facts reports.")
@click.option(
    "--leaf-days", type=DAYS, default=90.0, show_default=True, help="The life of a certificate that we issue."
)
@click.option("--ca-days", type=DAYS, default=365.0, show_default=True, help="The life of a CA that we make.")
@click.option(
    "--look-seconds",
    type=SECONDS,
    default=50.0,
    show_default=True,
    help="The time between two checks of the certificates.",
)
@click.option(
    "--settle-seconds", type=SECONDS, default=60.0, show_default=True, help="The time for API servers to load a new CA."
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0),
    default=20.0,
    show_default=True,
    help="The time for open requests after SIGTERM.",
)
@click.option(
    "--heartbeat-seconds",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    help="Between two heartbeats, which show that the API server calls the webhook; 0 sends none.",
)
@click.option(
    "--patience-seconds",
    type=SECONDS,
    default=300.0,
    show_default=True,
    help="How long a plugin pod must be blocked before its patch counts as failed. Shorter only in tests.",
)
@click.option(
    "--setback-seconds",
    type=SETBACK_SECONDS,
    default=3600.0,
    show_default=True,
    help="How long a patch is not repeated after its first failure. Shorter only in tests.",
)
@states_exit_codes("serve")
def serve(standalone: bool, view_file: Path | None, policy_file: Path | None, **options: Any) -> None:
    """Run the webhook, in a cluster or (--standalone) on one machine.

    \b
    gpu-injector serve --policy policy.yaml
    gpu-injector serve --standalone --view view.yaml --port 0 --ca-file ca.crt
    """
    with _lacking("rich"):
        from webhook.commands.serve import run as command
    from webhook.commands.serve.certificate_source import CertificateOptions
    from webhook.observations.waits import Waits

    if standalone and options["cert_dir"]:
        raise click.UsageError("--cert-dir goes without --standalone")
    if standalone and view_file is None:
        raise click.UsageError("--standalone needs --view FILE")
    if not standalone and view_file is not None:
        raise click.UsageError("--view goes with --standalone")
    certificate = CertificateOptions(**{one.name: options.pop(one.name) for one in fields(CertificateOptions)})
    waits = Waits(*(timedelta(seconds=options.pop(f"{one}_seconds")) for one in ("patience", "setback")))
    files: dict[str, Any] = {"view_file": view_file, "policy_file": policy_file}
    command.serve(command.Options(standalone=standalone, certificate=certificate, waits=waits, **files, **options))
