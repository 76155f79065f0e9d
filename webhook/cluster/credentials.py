"""Credentials for the API server, as the ``kubernetes`` package's loader finds them: those of a pod, or a kubeconfig's.

Importing that package costs about 15 MiB and 0.2 s on top of the server, so only the functions that need it do.
"""

import hashlib
import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Configuration = Any  # kubernetes.client.Configuration, whose types say that its refresh hook is always None


POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DEFAULT_NAMESPACE = "default"


class CredentialsError(OSError):
    """The credentials cannot be read; the message holds no secret."""


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
    ``context`` is a name in it; None means its current one.
    """

    def __init__(self, kubeconfig: str | None = None, context: str | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._configuration: Configuration | None = None
        self._last: Credentials | None = None

    def load(self) -> Credentials:
        """Read everything anew, running an exec plugin if there is one; ``CredentialsError`` if that fails."""
        configuration = load_configuration(self._kubeconfig, self._context)
        loaded = _read(configuration, self._last)
        # The loader logs a failing exec plugin and goes on without credentials; the old ones may still be good.
        if self._last and loaded.anonymous and not self._last.anonymous:
            raise CredentialsError("the credentials are gone (token, client certificate or exec plugin)")
        self._configuration, self._last = configuration, loaded
        return loaded

    def renew(self) -> Credentials:
        """Follow tokens and certificates that rotate, at the least cost; ``CredentialsError`` if that fails."""
        if self._configuration is None or self._configuration.refresh_api_key_hook is None:
            return self.load()
        self._last = _read(self._configuration, self._last)
        return self._last

    def namespace(self) -> str:
        """Return the namespace that the context names, or the pod's own; "default" where none is named.

        ``CredentialsError`` where the kubeconfig cannot be read.
        """
        from kubernetes import config  # noqa: PLC0415 - see the module's docstring

        if self._kubeconfig is None and self._context is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            return POD_NAMESPACE.read_text().strip() if POD_NAMESPACE.exists() else DEFAULT_NAMESPACE
        with _credentials_errors():
            _look_for(self._kubeconfig)
            contexts, current = config.list_kube_config_contexts(self._kubeconfig)  # type: ignore[no-untyped-call]
            found = next((item for item in contexts if item["name"] == self._context), current)
            return str(found["context"].get("namespace") or DEFAULT_NAMESPACE)


def load_configuration(kubeconfig: str | None, context: str | None) -> "Configuration":
    """Return the ``kubernetes`` package's own Configuration; ``CredentialsError`` if that fails."""
    from kubernetes import client, config  # noqa: PLC0415 - see the module's docstring

    configuration = client.Configuration()
    logging.getLogger().addFilter(_cut_loader_records)
    with _credentials_errors():
        if kubeconfig is None and context is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        else:
            _look_for(kubeconfig)
            config.load_kube_config(kubeconfig, context, configuration)  # type: ignore[no-untyped-call]
    return configuration


def _look_for(kubeconfig: str | None) -> None:
    """Raise CredentialsError where no file is: the loader says neither that nor which."""
    from kubernetes.config import kube_config  # noqa: PLC0415 - see the module's docstring

    places = kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    if not any(Path(place).expanduser().exists() for place in places.split(os.pathsep)):
        raise CredentialsError(f"credentials: there is no kubeconfig at {places}")


@contextmanager
def _credentials_errors() -> Iterator[None]:
    """Turn what the loader raises into CredentialsError, without what it quotes of a user's entry."""
    import yaml  # noqa: PLC0415 - see the module's docstring
    from kubernetes import config  # noqa: PLC0415 - likewise

    try:
        yield
    except CredentialsError:
        raise
    except config.ConfigException as error:
        raise CredentialsError(f"credentials: {_without_quotes(error)}") from None
    except OSError as error:
        raise CredentialsError(f"credentials: {error}") from error
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CredentialsError(f"credentials: malformed kubeconfig ({type(error).__name__})") from None


def _cut_loader_records(record: logging.LogRecord) -> bool:
    """Keep secrets out of what the loader logs by itself when an exec plugin fails."""
    if record.module == "kube_config":
        record.msg = _without_quotes(record.msg)
    return True


def _without_quotes(message: object) -> str:
    """Return the part of a loader's message that cannot quote a user's entry, as it does in braces and later lines."""
    return str(message).partition("{")[0].partition("\n")[0]


def _read(configuration: "Configuration", last: Credentials | None) -> Credentials:
    from kubernetes.client.rest import should_bypass_proxies  # noqa: PLC0415 - see the module's docstring

    try:
        # Runs the refresh hook: reads a rotated token file, or runs the exec plugin when its token nears its end.
        authorization = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        tls, digest = _tls(configuration, last)
    except OSError as error:
        raise CredentialsError(f"credentials: {error}") from error
    direct = should_bypass_proxies(configuration.host, configuration.no_proxy or "")
    return Credentials(
        server=configuration.host,
        authorization=authorization.strip() if authorization else None,
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
