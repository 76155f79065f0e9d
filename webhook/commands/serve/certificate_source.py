"""Which certificate ``serve`` presents: its own, kept in a Secret, or a mounted pair such as cert-manager's."""

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from certs.api import Installation
from certs.controller import CertificateController
from certs.mounted_files import MountedFiles
from certs.rotation import Schedule
from certs.state_events import OnChange
from certs.tls_context import CertificateSource, LiveTls
from webhook.commands.shared.input_files import InputError

if TYPE_CHECKING:
    from webhook.kube_client.client import KubeClient


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateOptions:
    """The options for the certificate: days of life, seconds between checks, and for a caBundle to settle.

    With a folder, only the names matter: the program that fills the folder decides the rest.
    """

    cert_dir: Path | None
    tls_names: tuple[str, ...]
    leaf_days: float
    ca_days: float
    look_seconds: float
    settle_seconds: float

    @property
    def schedule(self) -> Schedule:
        """The schedule of rotations. Raises InputError if a leaf would outlive its authority."""
        if self.leaf_days > self.ca_days:
            raise InputError("--leaf-days is more than --ca-days: no certificate outlives its CA")
        look, settle = timedelta(seconds=self.look_seconds), timedelta(seconds=self.settle_seconds)
        return Schedule(
            authority_lifetime=timedelta(days=self.ca_days),
            leaf_lifetime=timedelta(days=self.leaf_days),
            settle=settle,
            # A replica needs one check to see the new leaf's authority registered, and one more after it has settled.
            handover=settle + 3.6 * look,
        )

    @property
    def installation(self) -> Installation:
        """The installation that this replica belongs to. Raises InputError for an invalid name."""
        namespace = os.environ.get("POD_NAMESPACE") or "gpu-injector"
        try:
            return Installation(namespace=namespace, extra_names=self.tls_names)
        except ValueError as error:
            raise InputError(f"--tls-name: {error}") from error


def provider(client: "KubeClient", options: CertificateOptions, tls: LiveTls, on_change: OnChange) -> CertificateSource:
    """Return the source of this replica's certificate. Raises InputError."""
    if options.cert_dir:
        return MountedFiles(options.cert_dir, options.installation.names, on_change=on_change, tls=tls)
    return CertificateController(
        client,
        options.installation,
        who=socket.gethostname(),
        on_change=on_change,
        schedule=options.schedule,
        interval=timedelta(seconds=options.look_seconds),
        tls=tls,
    )
