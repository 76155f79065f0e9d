"""The live cluster that commands read: which one, a client of its API server, and its current view."""

import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import click

from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.input_files import InputError, policy_of, read_policy
from webhook.commands.shared.output_errors import is_of_output
from webhook.commands.shared.stored_setbacks import with_stored
from webhook.commands.shared.workload_events import read_failures
from webhook.kube.values import EMPTY, mapping
from webhook.kube_client.api_error import ApiError, CredentialsError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.credentials import CredentialsLoader
from webhook.kube_client.exec_plugin import Unattended
from webhook.names import REGISTRATION_PATH, policy_path
from webhook.policy.model import Policy
from webhook.registration.entries import home_of
from webhook.view.facts_daemon_set import find_facts_daemon_set
from webhook.view.live_view import utc_now
from webhook.view.plugin_projections import known_plugins
from webhook.view.projections import FACTS_POD
from webhook.view.snapshot import Snapshot, snapshot
from webhook.view.watched_resources import resources

FACTS_FIELD = FACTS_POD.field
# Where the chart keeps the administrator's settings.
POLICY_KEY = "policy.yaml"
# aiohttp puts its own object's address into the message.
TLS_SETTINGS = re.compile(r" ssl:(<[^>]*>|\w+)")


class LoginError(InputError):
    """There are no credentials, or the API server does not accept them; shown as kubectl shows it."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to standard error."""
        click.echo(f"error: {self.format_message()}", file=file, err=file is None)


class UnreadError(InputError):
    """The API server answered, but an object that the command needs could not be read."""

    exit_code = ExitCode.UNREAD


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster: a kubeconfig (None: kubectl's own, or the pod's ServiceAccount), a context in it, and as whom.

    ``unattended`` limits the kubeconfig's exec plugin.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    as_user: str | None = None
    as_groups: tuple[str, ...] = ()
    unattended: Unattended | None = None

    def loader(self) -> CredentialsLoader:
        """Return the loader of the credentials."""
        kubeconfig = str(self.kubeconfig) if self.kubeconfig else None
        return CredentialsLoader(
            kubeconfig, self.context, impersonation=self._impersonation(), unattended=self.unattended
        )

    def _impersonation(self) -> tuple[tuple[str, str], ...]:
        """Return the headers. Source: https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/."""
        if not all(name.isprintable() for name in (self.as_user or "", *self.as_groups)):
            raise LoginError("credentials: --as or --as-group contains characters that no HTTP header may contain")
        user = (("Impersonate-User", self.as_user),) if self.as_user else ()
        return (*user, *(("Impersonate-Group", group) for group in self.as_groups))

    def namespace(self) -> str:
        """Return the namespace that the context names. Raises LoginError where the kubeconfig cannot be read."""
        try:
            return self.loader().namespace()
        except CredentialsError as error:
            raise LoginError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Registered:
    """Our registration, None where there is none; ``unread`` is why that is unknown. It is read once in a command."""

    registration: Mapping[str, Any] | None = None
    unread: str = ""

    @property
    def home(self) -> str:
        """The namespace of the installation; the default one where the registration names none."""
        return home_of(self.registration)


@dataclass(frozen=True, slots=True)
class InstalledPolicy:
    """The policy in use, and why it may differ from the webhook's; empty if it was read."""

    policy: Policy
    unread: str = ""
    registered: Registered = Registered()


@asynccontextmanager
async def api_server(target: Target) -> AsyncIterator[KubeClient]:
    """Open a client. A failed login, or no answer, becomes an InputError."""
    try:
        async with KubeClient(target.loader()) as client:
            yield client
    except CredentialsError as error:
        raise LoginError(str(error)) from error
    except ApiError as error:
        raise UnreadError(f"the API server answered {error.for_people}") from error
    except TimeoutError as error:
        raise InputError("the API server did not answer in time") from error
    except OSError as error:
        if is_of_output(error):
            raise
        raise InputError(f"the API server did not answer: {TLS_SETTINGS.sub('', str(error))}") from error


async def read_registered(client: KubeClient) -> Registered:
    """Read our registration."""
    try:
        return Registered(await client.find(REGISTRATION_PATH))
    except ApiError as error:
        return Registered(unread=str(error))


async def installed_policy(client: KubeClient, file: Path | None) -> InstalledPolicy:
    """Return the policy of a file that is named, else the one of the webhook in the cluster, else the default.

    If none was named, the choice is printed to standard error. Raises InputError for a policy that is invalid.
    """
    given = read_policy(file) if file else None
    registered = await read_registered(client)
    if given:
        return InstalledPolicy(given, registered=registered)
    unread = f"the registration: {registered.unread}" if registered.unread else ""
    source = f"ConfigMap {registered.home}/gpu-injector"
    try:
        found = await client.find(policy_path(registered.home))
    except ApiError as error:
        found, unread = None, f"{source}: {error}"
    text = mapping((found or EMPTY).get("data")).get(POLICY_KEY)
    if text is not None:
        click.echo(f"Policy: that of the cluster ({source})", err=True)
        return InstalledPolicy(policy_of(str(text), source), registered=registered)
    why = f"could not read {unread}" if unread else f"the ConfigMap has no {POLICY_KEY}" if found else ""
    click.echo(f"Policy: the default one ({why or f'the cluster has no {source}'})", err=True)
    return InstalledPolicy(Policy(), unread, registered)


def _with_unknown_facts(seen: Snapshot, unknown: Mapping[str, str]) -> Snapshot:
    """Return what was read; without the DaemonSet of node facts where its pods are unknown: these are not "missing"."""
    unknown = {**seen.unknown, **unknown}
    view = replace(seen.view, facts_daemon_sets={}) if FACTS_FIELD in unknown else seen.view
    return Snapshot(view, unknown)


async def live_view(
    client: KubeClient,
    policy: Policy,
    named: Mapping[str, Collection[str]] = EMPTY,
    wall_clock: Callable[[], datetime] = utc_now,
    *,
    registered: Registered | None = None,
) -> Snapshot:
    """Return what the webhook would see now with the caller's rights; without ``registered``, that is read, too.

    ``named`` are objects to read one by one where their kind may not be listed, by field of ClusterView. Events are
    read in the namespaces that it names, or in all.
    """
    wanted = {"runtime_classes": (policy.runtime_class,), **named}
    namespace, unknown = (registered or await read_registered(client)).home, {}
    try:
        facts = namespace if await find_facts_daemon_set(client, namespace) else ""
    except ApiError as refused:
        facts, unknown = "", {FACTS_FIELD: str(refused)}
    watched = resources(policy.bootstrap.namespaces, known_plugins(policy), facts)
    seen = await snapshot(client, watched, wanted, is_gpu_resource=policy.is_gpu_resource, wall_clock=wall_clock)
    seen = _with_unknown_facts(seen, unknown)
    seen = replace(seen, view=await with_stored(client, namespace, seen.view, policy, wall_clock()))
    if not policy.setbacks.workloads:
        return seen
    namespaces = tuple(named.get("namespaces", ()))
    failures = await read_failures(client, namespaces, tuple(seen.view.namespaces or ()), wall_clock())
    return replace(seen, view=replace(seen.view, workload_failures=failures))
