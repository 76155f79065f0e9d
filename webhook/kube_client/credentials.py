"""Credentials for the API server: those of a pod, or a kubeconfig's, read again when they may have changed.

Importing the ``kubernetes`` package costs about 15 MiB and 0.2 s, so only the functions that need it do.
"""

import hashlib
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webhook.kube_client.api_error import CredentialsError
from webhook.kube_client.clock import Clock
from webhook.kube_client.exec_plugin import Unattended
from webhook.kube_client.kubeconfig import Loaded, load_configuration, namespace_of
from webhook.kube_client.url_check import check_url

if TYPE_CHECKING:
    Configuration = Any  # kubernetes.client.Configuration, whose types say that its refresh hook is always None


# Credentials of an exec plugin are renewed this long before they end.
EARLY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the API server is, and how to prove who we are and who it is.

    ``tls`` is None for a plain ``http`` server; ``tls_server_name`` is None where the URL's host is the name to verify.
    """

    server: str
    authorization: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    tls_server_name: str | None = None
    tls_digest: bytes = field(default=b"", repr=False)
    proxy: str | None = field(default=None, repr=False)
    anonymous: bool = True


class CredentialsLoader:
    """Reads credentials, and reads them again when they may have changed. Its methods block: call them in a thread.

    ``kubeconfig`` is a file; None means the pod's own ServiceAccount or, outside a cluster, kubectl's default file.
    ``context`` is a name in it; None means its current one. ``impersonation`` are headers for each request;
    ``unattended`` limits an exec plugin.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        *,
        clock: Clock | None = None,
        impersonation: tuple[tuple[str, str], ...] = (),
        unattended: Unattended | None = None,
    ) -> None:
        self._unattended = unattended
        self.impersonation = impersonation
        self._kubeconfig = kubeconfig
        self._context = context
        self._clock = clock or Clock()
        self._loaded: Loaded | None = None
        self._last: Credentials | None = None

    def load(self) -> Credentials:
        """Read everything again, running an exec plugin if there is one. Raises CredentialsError."""
        loaded = load_configuration(self._kubeconfig, self._context, self._unattended)
        found = _read(loaded.configuration, self._last)
        # Never continue without credentials where there should be some.
        if found.anonymous and (loaded.login or (self._last and not self._last.anonymous)):
            raise CredentialsError("credentials: those of the kubeconfig's user are empty or gone")
        self._loaded, self._last = loaded, found
        return found

    def renew(self) -> Credentials:
        """Follow tokens and certificates that rotate, at the least cost. Raises CredentialsError."""
        loaded, last = self._loaded, self._last
        if loaded is None or last is None:
            return self.load()
        if loaded.is_exec:
            # A plugin may ask a person, so it is run only when its credentials end.
            return self.load() if loaded.expires and self._clock.now() >= loaded.expires - EARLY else last
        if loaded.configuration.refresh_api_key_hook is None:
            return self.load()
        self._last = _read(loaded.configuration, last)
        return self._last

    def configuration(self) -> "Configuration":
        """Return the ``kubernetes`` package's own Configuration, as it was last loaded. Raises CredentialsError.

        That package's streams cannot impersonate, so there is none for another user.
        """
        if self.impersonation:
            raise CredentialsError("--as does not work for connections that are forwarded to a pod")
        if self._loaded is None:
            raise CredentialsError("credentials: none were read yet")
        return self._loaded.configuration

    def namespace(self) -> str:
        """Return the namespace that the context names, or the pod's own. Raises CredentialsError."""
        return namespace_of(self._kubeconfig, self._context)


def _read(configuration: "Configuration", last: Credentials | None) -> Credentials:
    from kubernetes.client.rest import should_bypass_proxies  # noqa: PLC0415 - see the module's docstring

    try:
        # Runs the refresh hook, which reads a rotated token file.
        authorization = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        tls, digest = _tls(configuration, last)
    except OSError as error:
        raise CredentialsError(f"credentials: {error}") from error
    check_url(configuration.host, "server")
    direct = should_bypass_proxies(configuration.host, configuration.no_proxy or "")
    if configuration.proxy and not direct:
        check_url(configuration.proxy, "proxy")
    authorization = authorization.strip() if authorization else None
    # The token file is empty.
    authorization = None if authorization == "Bearer" else authorization
    if authorization and not (authorization.isascii() and authorization.isprintable()):
        raise CredentialsError("credentials: the token contains characters that no HTTP header may contain")
    return Credentials(
        server=configuration.host,
        authorization=authorization,
        tls=tls,
        tls_server_name=configuration.tls_server_name,
        tls_digest=digest,
        proxy=None if direct else configuration.proxy,
        anonymous=not authorization and not configuration.cert_file,
    )


def _tls(configuration: "Configuration", last: Credentials | None) -> tuple[ssl.SSLContext | None, bytes]:
    """Return a context for the files of the configuration: the last one while their content is the same.

    A new context means new connections, so it must not change without need.
    """
    if not configuration.host.startswith("https:"):
        return None, b""
    files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    content = [Path(file).read_bytes() if file else b"" for file in files]
    digest = hashlib.sha256(repr((configuration.verify_ssl, content)).encode()).digest()
    if last and last.tls and last.tls_digest == digest:
        return last.tls, digest
    return _context(configuration), digest


def _context(configuration: "Configuration") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # Python 3.13 turns this on; the CAs of k3s and of older kubeadm do not pass, and client-go does not ask for it.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
