"""The kubeconfig, read by the ``kubernetes`` package's loader; exec plugins are run by ``exec_plugin``.

Importing that package costs about 15 MiB and 0.2 s, so only the functions that need it do.
"""

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webhook.kube.values import mapping, text
from webhook.kube_client.api_error import CredentialsError
from webhook.kube_client.exec_plugin import ExecCredential, Unattended, run_plugin

if TYPE_CHECKING:
    Configuration = Any  # kubernetes.client.Configuration, whose types say that its refresh hook is always None

# Hundreds of clusters fit. A larger file is not read: YAML takes many times its size in memory.
KUBECONFIG_BYTES = 4 * 2**20
POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DEFAULT_NAMESPACE = "default"
# The keys of a kubeconfig's user that are meant to log it in.
LOGINS = ("token", "tokenFile", "exec", "auth-provider", "username")
# The texts are kubectl's; the package's own code for these has no time limit.
REMOVED_PROVIDERS = {
    "gcp": (
        'Please use the "gke-gcloud-auth-plugin" kubectl/client-go credential plugin instead.\n'
        "See https://cloud.google.com/blog/products/containers-kubernetes/kubectl-auth-changes-in-gke"
        " for further details"
    ),
    "azure": "Please use the https://github.com/Azure/kubelogin kubectl/client-go credential plugin instead.",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The ``kubernetes`` package's configuration, and what is missing in it.

    ``login`` says whether the kubeconfig names credentials; ``expires`` is when those of an exec plugin end.
    """

    configuration: "Configuration"
    login: bool
    is_exec: bool = False
    expires: datetime | None = None


def load_configuration(kubeconfig: str | None, context: str | None, unattended: Unattended | None = None) -> Loaded:
    """Return what the ``kubernetes`` package's loader makes of a kubeconfig or a pod. Raises CredentialsError.

    ``kubeconfig`` is a file; None means the pod's own ServiceAccount or, outside a cluster, kubectl's default file.
    ``context`` is a name in it; None means its current one. ``unattended`` limits an exec plugin.
    """
    from kubernetes import client, config  # noqa: PLC0415 - see the module's docstring

    configuration = client.Configuration()
    with _credentials_errors():
        if _is_pod(kubeconfig, context):
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
            return Loaded(configuration, login=True)
        _look_for(kubeconfig)
        return _load_kubeconfig(configuration, kubeconfig, context, unattended)


def namespace_of(kubeconfig: str | None, context: str | None) -> str:
    """Return the namespace that a context names, or the pod's own; "default" where none is named.

    Raises CredentialsError where the kubeconfig cannot be read.
    """
    from kubernetes import config  # noqa: PLC0415 - see the module's docstring

    if _is_pod(kubeconfig, context):
        return POD_NAMESPACE.read_text().strip() if POD_NAMESPACE.exists() else DEFAULT_NAMESPACE
    with _credentials_errors():
        _look_for(kubeconfig)
        contexts, current = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
        found = next((item for item in contexts if item["name"] == context), current)
        return str(found["context"].get("namespace") or DEFAULT_NAMESPACE)


def context_names(kubeconfig: str | None) -> list[str]:
    """Return the names of all contexts. Raises CredentialsError."""
    from kubernetes import config  # noqa: PLC0415 - see the module's docstring

    with _credentials_errors():
        contexts, _ = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
        return [str(item["name"]) for item in contexts]


def _is_pod(kubeconfig: str | None, context: str | None) -> bool:
    return kubeconfig is None and context is None and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def _load_kubeconfig(
    configuration: "Configuration", kubeconfig: str | None, context: str | None, unattended: Unattended | None
) -> Loaded:
    """Load a kubeconfig. The package would log that an exec plugin failed, and go on anonymously; so it is run here."""
    from kubernetes.config import kube_config  # noqa: PLC0415 - see the module's docstring

    merger = kube_config.KubeConfigMerger(kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION)  # type: ignore[no-untyped-call]
    merged = merger.config
    if merged is None:
        raise CredentialsError("credentials: the kubeconfig is empty")
    user, cluster, folder = _entries(merged, context or merged["current-context"])
    provider = text(mapping(user.get("auth-provider")).get("name"))
    if provider in REMOVED_PROVIDERS:
        raise CredentialsError(f"The {provider} auth plugin has been removed.\n{REMOVED_PROVIDERS[provider]}")
    is_exec = bool(user.get("exec")) and not provider and not user.get("token") and not user.get("tokenFile")
    expires = None
    if is_exec:
        found = run_plugin(mapping(user["exec"]), cluster, folder, unattended)
        expires = found.expires
        _put(user, found)
    loader = kube_config.KubeConfigLoader(  # type: ignore[no-untyped-call]
        config_dict=merged,
        active_context=context,
        config_base_path=None,
        # What an OIDC provider renews must be kept. What a plugin printed must not be.
        config_persister=None if is_exec else merger.save_changes,
    )
    loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    return Loaded(configuration, any(user.get(key) is not None for key in LOGINS), is_exec, expires)


def _entries(merged: Any, context: str) -> tuple[dict[str, Any], Mapping[str, Any], Path]:  # noqa: ANN401 - ConfigNode
    """Return the entries of a context's user and cluster, and the folder of the file that contains the user."""
    chosen = merged["contexts"].get_with_name(context)["context"]
    cluster = mapping(merged["clusters"].get_with_name(chosen["cluster"])["cluster"].value)
    name = chosen.safe_get("user")
    if not name:
        return {}, cluster, Path()
    # The package treats a user that does not exist as an anonymous one.
    entry = merged["users"].get_with_name(name)
    user = entry.value.get("user") if isinstance(entry.value, dict) else None
    return user if isinstance(user, dict) else {}, cluster, Path(text(entry.path)).absolute().parent


def _put(user: dict[str, Any], found: ExecCredential) -> None:
    """Put what a plugin printed into the user's entry, in its place."""
    del user["exec"]
    if found.token:
        user["token"] = found.token
    if found.certificate:
        user["client-certificate-data"] = base64.b64encode(found.certificate.encode()).decode()
        user["client-key-data"] = base64.b64encode(found.key.encode()).decode()


def _look_for(kubeconfig: str | None) -> None:
    """Raise CredentialsError if a file does not exist: the loader's message does not name it."""
    from kubernetes.config import kube_config  # noqa: PLC0415 - see the module's docstring

    places = kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    found = [path for place in places.split(os.pathsep) if (path := Path(place).expanduser()).exists()]
    if not found:
        raise CredentialsError(f"credentials: there is no kubeconfig at {places}")
    if sum(path.stat().st_size for path in found) > KUBECONFIG_BYTES:
        raise CredentialsError(f"credentials: the kubeconfig at {places} is larger than {KUBECONFIG_BYTES} bytes")


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


def _without_quotes(message: object) -> str:
    """Return the part of a loader's message that cannot quote a user's entry, as it does in braces and later lines."""
    return str(message).partition("{")[0].partition("\n")[0]
