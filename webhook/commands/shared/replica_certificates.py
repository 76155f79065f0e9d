"""The certificate that each replica presents over TLS: read directly if an entry has a URL, else by port-forward."""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from certs.api import Installation
from certs.tls_probe import Connect, PresentedCertificate, probe_certificate
from certs.webhook_configs import Entry, read_registrations
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.replica_port_forward import Replicas, UnreachableError, forward, port_of
from webhook.kube.metadata import name_of
from webhook.kube_client.client import KubeClient

CONNECT_SECONDS = 5


async def presented(client: KubeClient, installation: Installation) -> list[PresentedCertificate]:
    """Read each replica's certificate, and check it as each entry that leads to it does. Raises ApiError, OSError."""
    registrations = await read_registrations(client, installation)
    entries = [entry for registration in registrations for entry in registration.entries]
    by_url = {urlsplit(entry.url).netloc: entry.url for entry in entries if entry.url}
    looks = [_look(f"https://{place}", _by_url(url), _host(url), entries) for place, url in by_url.items()]
    if any(not entry.url for entry in entries):
        try:
            pods = await Replicas(client, installation.namespace).running()
        except InputError as error:
            return [*await asyncio.gather(*looks), PresentedCertificate("pods", trouble=error.message)]
        by_service = [entry for entry in entries if not entry.url]
        name = installation.names[0]
        looks += [
            _look(f"pod {name_of(pod)}", _by_forward(client, installation, pod), name, by_service) for pod in pods
        ]
    return list(await asyncio.gather(*looks))


async def _look(where: str, connect: Connect, name: str, entries: Iterable[Entry]) -> PresentedCertificate:
    trusts = {entry.name: entry.authorities for entry in entries}
    return await asyncio.to_thread(probe_certificate, where, connect, name, trusts)


def _by_url(url: str) -> Connect:
    def connect() -> socket.socket:
        try:
            address = (_host(url), urlsplit(url).port or 443)
        except ValueError as error:
            # The API server accepts a port that does not exist.
            raise ConnectionError(f"{url}: {error}") from error
        return socket.create_connection(address, CONNECT_SECONDS)

    return connect


def _by_forward(client: KubeClient, installation: Installation, pod: Mapping[str, Any]) -> Connect:
    port = port_of(pod, "--port")

    def connect() -> socket.socket:
        try:
            forwarded = forward(client, installation.namespace, name_of(pod), port).socket(port)
        except UnreachableError as error:
            raise ConnectionError(str(error)) from error
        forwarded.settimeout(CONNECT_SECONDS)
        # The package hands out a wrapper; TLS needs the socket itself.
        own: socket.socket = getattr(forwarded, "_socket", forwarded)
        return own

    return connect


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
