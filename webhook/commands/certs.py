"""``certs``: what is served, what is registered, what expires when and what comes next; and a rotation on request."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import orjson

from certs.api import Installation, Refused
from certs.material import Rotation
from certs.presented import Connect, Presented, look
from certs.registrations import Entry, read_registrations
from certs.report import Report, describe, find_installation
from certs.rotation import Schedule
from certs.store import ask_for_rotation
from webhook.cluster.api import ApiServer
from webhook.commands.certs_shown import console, print_report, print_rotation
from webhook.commands.inputs import InputError
from webhook.commands.live import Target, api_server
from webhook.commands.replicas import Replicas, UnreachableError, forward

WEBHOOK_PORT = 8443
CONNECT_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says; ``namespace`` is that of the installation."""

    target: Target
    namespace: str
    output: str


def show(options: Options) -> int:
    """Show everything; return the exit code: 1 where the API server would refuse what is served, or nothing is."""
    return asyncio.run(_with_api(options, _show))


def rotate(options: Options, rotation: Rotation) -> int:
    """Ask for a rotation and say what follows; return the exit code. Raises InputError where none can follow."""
    return asyncio.run(_with_api(options, partial(_rotate, rotation)))


async def _with_api(options: Options, act: Callable[[ApiServer, Options], Awaitable[int]]) -> int:
    async with api_server(options.target) as api:
        try:
            return await act(api, options)
        except Refused as error:
            raise InputError(f"the API server refused: {error}") from error


async def _show(api: ApiServer, options: Options) -> int:
    installation = await find_installation(api, options.namespace)
    report = await describe(api, installation, Schedule(), datetime.now(UTC))
    presented = await _presented(api, installation, options)
    if options.output == "json":
        print(_json({"report": report, "presented": presented}))  # noqa: T201 - what the command is for
    else:
        print_report(report, presented, console())
    return 0 if is_sound(report, presented) else 1


async def _rotate(rotation: Rotation, api: ApiServer, options: Options) -> int:
    installation = await find_installation(api, options.namespace)
    before = await describe(api, installation, Schedule(), datetime.now(UTC))
    if before.injector:
        raise InputError(f"cert-manager keeps this certificate ({before.injector}): renew it there")
    if not before.entries:
        raise InputError("no registration has an entry of this installation, so no replica would rotate")
    await ask_for_rotation(api, installation, rotation)
    after = await describe(api, installation, Schedule(), datetime.now(UTC))
    if options.output == "json":
        print(_json({"asked": rotation, "report": after}))  # noqa: T201 - as above
    else:
        print_rotation(rotation, before, console())
    return 0


def is_sound(report: Report, presented: Iterable[Presented]) -> bool:
    """Say whether every entry accepts what is served, as far as that was seen."""
    seen = [one for one in presented if not one.trouble]
    if any(one.refused_by for one in seen):
        return False
    kept_elsewhere = bool(report.injector and seen)
    return bool(report.entries) and (kept_elsewhere or all(entry.accepts_leaf for entry in report.entries))


async def _presented(api: ApiServer, installation: Installation, options: Options) -> list[Presented]:
    """Look at what every replica presents: directly where an entry has a URL, else by port-forward to each pod."""
    registrations = await read_registrations(api, installation)
    entries = [entry for registration in registrations for entry in registration.entries]
    by_url = {urlsplit(entry.url).netloc: entry.url for entry in entries if entry.url}
    looks = [_look(f"https://{place}", _by_url(url), _host(url), entries) for place, url in by_url.items()]
    if any(not entry.url for entry in entries):
        try:
            pods = await Replicas(api, options.target, options.namespace).running()
        except InputError as error:
            return [*await asyncio.gather(*looks), Presented("pods", trouble=error.message)]
        by_service = [entry for entry in entries if not entry.url]
        looks += [_look(f"pod {pod}", _by_forward(options, pod), installation.names[0], by_service) for pod in pods]
    return list(await asyncio.gather(*looks))


async def _look(where: str, connect: Connect, name: str, entries: Iterable[Entry]) -> Presented:
    trusts = {entry.name: entry.authorities for entry in entries}
    return await asyncio.to_thread(look, where, connect, name, trusts)


def _by_url(url: str) -> Connect:
    address = (_host(url), urlsplit(url).port or 443)
    return lambda: socket.create_connection(address, CONNECT_SECONDS)


def _by_forward(options: Options, pod: str) -> Connect:
    def connect() -> socket.socket:
        try:
            forwarded = forward(options.target, options.namespace, pod, WEBHOOK_PORT).socket(WEBHOOK_PORT)
        except UnreachableError as error:
            raise ConnectionError(str(error)) from error
        forwarded.settimeout(CONNECT_SECONDS)
        # The package hands out a wrapper; TLS needs the socket itself.
        own: socket.socket = getattr(forwarded, "_socket", forwarded)
        return own

    return connect


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _json(content: object) -> str:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()
