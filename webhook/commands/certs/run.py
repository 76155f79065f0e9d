"""``certs``: show the served and the registered certificates, and the next step; request a rotation."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import orjson

from certs.report import Report, describe, find_installation
from certs.rotation import Schedule
from certs.secret_content import Rotation
from certs.secret_store import request_rotation
from certs.tls_probe import PresentedCertificate
from webhook.commands.certs.render import console, print_report, print_rotation
from webhook.commands.shared.cluster import Target, UnreadError, api_server, read_registered
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.json_output import JSON_VERSION
from webhook.commands.shared.replica_certificates import presented
from webhook.commands.shared.replica_port_forward import Replicas
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line; ``installed_in`` is empty where it is to be detected."""

    target: Target
    installed_in: str
    output: str


def show(options: Options) -> int:
    """Show everything; return the exit code: 1 if the API server would refuse the certificate, or there is none."""
    return asyncio.run(_with_client(options, _show))


def rotate(options: Options, rotation: Rotation) -> int:
    """Request a rotation and print its steps; return the exit code. Raises InputError if none is possible."""
    return asyncio.run(_with_client(options, partial(_rotate, rotation)))


async def _with_client(options: Options, act: Callable[[KubeClient, Options], Awaitable[int]]) -> int:
    async with api_server(options.target) as client:
        try:
            found = replace(options, installed_in=options.installed_in or (await read_registered(client)).home)
            return await act(client, found)
        except ApiError as error:
            raise UnreadError(f"the API server refused: {error.with_request}") from error


async def _show(client: KubeClient, options: Options) -> int:
    installation = await find_installation(client, options.installed_in)
    mounted = await _mounted_folder(client, options)
    report = await describe(client, installation, Schedule(), datetime.now(UTC), mounted)
    seen = await presented(client, installation)
    if options.output == "json":
        print(_json({"version": JSON_VERSION, "report": report, "presented": seen}))  # noqa: T201 - what the command is for
    else:
        print_report(report, seen, console())
    return 0 if is_sound(report, seen) else 1


async def _rotate(rotation: Rotation, client: KubeClient, options: Options) -> int:
    installation = await find_installation(client, options.installed_in)
    mounted = await _mounted_folder(client, options)
    before = await describe(client, installation, Schedule(), datetime.now(UTC), mounted)
    if before.injector:
        raise InputError(f"cert-manager keeps this certificate ({before.injector}): renew it there")
    if before.mounted:
        raise InputError(f"the replicas serve the files of {before.mounted}: renew them at their source")
    if not before.entries:
        raise InputError("no registration has an entry of this installation, so no replica would rotate")
    try:
        await request_rotation(client, installation, rotation)
    except ApiError as error:
        raise InputError(f"the API server refused: {error.with_request}") from error
    after = await describe(client, installation, Schedule(), datetime.now(UTC))
    if options.output == "json":
        print(_json({"version": JSON_VERSION, "asked": rotation, "report": after}))  # noqa: T201 - as above
    else:
        print_rotation(rotation, before, console())
    return 0


async def _mounted_folder(client: KubeClient, options: Options) -> str:
    """Return the folder that the replicas serve from, empty for none or if the replicas cannot be listed."""
    try:
        return await Replicas(client, options.installed_in).mounted_folder()
    except InputError:
        return ""


def is_sound(report: Report, presented: Iterable[PresentedCertificate]) -> bool:
    """Say whether every entry accepts the served certificates, as far as they were read."""
    seen = [one for one in presented if not one.trouble]
    if any(one.refused_by for one in seen):
        return False
    kept_elsewhere = bool((report.injector or report.mounted) and seen)
    return bool(report.entries) and (kept_elsewhere or all(entry.accepts_leaf for entry in report.entries))


def _json(content: object) -> str:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()
