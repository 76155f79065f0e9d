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
    """Import without a package, for whoever takes its absence well.

    structlog imports rich where it finds it, for tracebacks in colour that a server never prints: that costs 3 MiB.
    No part of structlog can be imported without that, and it has no setting for it (structlog/dev.py, as of 25.5).
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
@click.option("--standalone", is_flag=True, help="No cluster: the view from a file, a certificate made on the spot.")
@click.option("--view", "view_file", type=FILE, help="With --standalone: what `kubectl get … -o yaml` printed.")
@POLICY
@click.option("--kubeconfig", type=FILE, help="Reach the API server by this file; in a pod it is not needed.")
@click.option("--host", default="", help="The address to listen on; all of them in a cluster, loopback standalone.")
@click.option("--port", type=PORT, default=8443, show_default=True, help="0 chooses a free one.")
@click.option("--admin-port", type=PORT, default=8080, show_default=True, help="Probes, metrics.")
@click.option("--decisions-port", type=PORT, default=8081, show_default=True, help="On loopback.")
@click.option("--ca-file", type=FILE, help="With --standalone: write the CA's certificate here, for clients.")
@click.option("--tls-name", "tls_names", multiple=True, help="One more name or address in the certificate.")
@click.option(
    "--cert-dir", type=FOLDER, help="Serve tls.crt and tls.key of this folder, such as cert-manager's Secret."
)
@click.option("--leaf-days", type=DAYS, default=90.0, show_default=True, help="How long an own certificate lives.")
@click.option("--ca-days", type=DAYS, default=365.0, show_default=True, help="How long an own CA lives.")
@click.option("--look-seconds", type=SECONDS, default=50.0, show_default=True, help="Between two looks at all of it.")
@click.option(
    "--settle-seconds", type=SECONDS, default=60.0, show_default=True, help="For API servers to see a new CA."
)
@click.option(
    "--patience-seconds",
    type=SECONDS,
    default=300.0,
    show_default=True,
    help="So long a plugin pod must be blocked until its patch counts as failed. Shorter only in tests.",
)
@click.option(
    "--setback-seconds",
    type=SETBACK_SECONDS,
    default=3600.0,
    show_default=True,
    help="So long a failed patch is not repeated, the first time. Shorter only in tests.",
)
@click.option("--drain-seconds", type=click.FloatRange(0), default=20.0, show_default=True, help="After SIGTERM.")
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
