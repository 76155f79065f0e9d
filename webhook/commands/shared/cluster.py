"""The live cluster that commands look at: which one, a session with its API server, and its view at this moment."""

import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from webhook.cluster.api import ApiServer
from webhook.cluster.credentials import CredentialsError, CredentialsLoader, load_configuration
from webhook.cluster.listing import RefusedError, get
from webhook.commands.shared.input_files import InputError, policy_of, read_policy
from webhook.policy.model import Policy
from webhook.raw import NOTHING, mapping
from webhook.registration.entries import HOME, PATH, home_of
from webhook.view.live_view import resources
from webhook.view.plugin_projections import known_plugins
from webhook.view.snapshot import Snapshot, snapshot

# Where the chart keeps what the administrator asks for.
POLICY_KEY = "policy.yaml"
# aiohttp puts its own object's address into the message.
TLS_SETTINGS = re.compile(r" ssl:(<[^>]*>|\w+)")


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster: a kubeconfig (None: kubectl's own, or the pod's ServiceAccount) and a context in it."""

    kubeconfig: Path | None = None
    context: str | None = None

    def loader(self) -> CredentialsLoader:
        """Return what reads the credentials."""
        return CredentialsLoader(self._file, self.context)

    def configuration(self) -> Any:  # noqa: ANN401 - kubernetes.client.Configuration, which has no types
        """Return the configuration of the ``kubernetes`` package's own clients. Blocks. Raises CredentialsError."""
        return load_configuration(self._file, self.context)

    @property
    def _file(self) -> str | None:
        return str(self.kubeconfig) if self.kubeconfig else None

    def namespace(self) -> str:
        """Return the namespace that the context names; an InputError where the kubeconfig cannot be read."""
        try:
            return self.loader().namespace()
        except CredentialsError as error:
            raise InputError(str(error)) from error


@asynccontextmanager
async def api_server(target: Target) -> AsyncIterator[ApiServer]:
    """Open a session. What the command cannot go on without (credentials, an answer) becomes an InputError."""
    try:
        async with ApiServer(target.loader()) as api:
            yield api
    except CredentialsError as error:
        raise InputError(str(error)) from error
    except TimeoutError as error:
        raise InputError("the API server did not answer in time") from error
    except OSError as error:
        raise InputError(f"the API server did not answer: {TLS_SETTINGS.sub('', str(error))}") from error


async def home(api: ApiServer) -> str:
    """Return the namespace of the installation, as its registration says; the usual one where nobody may read that."""
    try:
        return home_of(await get(api, PATH))
    except RefusedError:
        return HOME


async def installed_policy(api: ApiServer, file: Path | None) -> Policy:
    """Return the policy of a file that is named, else the one that the webhook in the cluster has, else the default.

    Which one it is, when none was named, is told on standard error. Raises InputError for one that cannot be read.
    """
    if file:
        return read_policy(file)
    namespace = await home(api)
    source = f"ConfigMap {namespace}/gpu-injector"
    try:
        found = await get(api, f"/api/v1/namespaces/{namespace}/configmaps/gpu-injector")
        why = "" if found else f"the cluster has no {source}"
    except RefusedError as refused:
        found, why = None, f"the API server answered {refused}"
    text = mapping((found or NOTHING).get("data")).get(POLICY_KEY)
    if text is None:
        click.echo(f"Policy: the default one ({why or f'the ConfigMap has no {POLICY_KEY}'})", err=True)
        return Policy()
    click.echo(f"Policy: that of the cluster ({source})", err=True)
    return policy_of(str(text), source)


async def live_view(api: ApiServer, policy: Policy, named: Mapping[str, Collection[str]] = NOTHING) -> Snapshot:
    """Return what the webhook would see at this moment with the caller's rights.

    ``named`` are objects to ask for one by one where their kind may not be listed, by field of ClusterView.
    """
    wanted = {"runtime_classes": (policy.runtime_class,), **named}
    return await snapshot(api, resources(policy.bootstrap.namespaces, known_plugins(policy)), wanted)
