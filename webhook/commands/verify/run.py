"""``verify``: the proof that GPU pods work, node by node."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from webhook.commands.shared.cluster import Target, UnreadError, api_server, installed_policy
from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.json_output import JSON_VERSION, message
from webhook.commands.shared.render import ASIDE
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.dry_run_pod import try_gpu_pod
from webhook.doctor.fact import DryRun, Unread
from webhook.doctor.node_reports import NodeReports, read_reports
from webhook.kube.quantity import is_positive
from webhook.kube.values import items, mapping, text
from webhook.kube_client.client import KubeClient
from webhook.kube_client.paging import objects
from webhook.verify.judge import GpuState, ProbeResult
from webhook.verify.probe_pod import Plan, own_program, program_of_any_image
from webhook.verify.run import POLL_SECONDS, probe_namespace, probe_nodes
from webhook.view.watched_resources import NODES_PAGE_SIZE

SYMBOLS = {GpuState.WORKS: "√", GpuState.FAILS: "×", GpuState.UNKNOWN: "?"}  # noqa: RUF001  as doctor's
COLOURS = {GpuState.WORKS: "green", GpuState.FAILS: "red", GpuState.UNKNOWN: ASIDE}
# The worst first.
EXIT_CODES = {GpuState.FAILS: ExitCode.CHANGES, GpuState.UNKNOWN: ExitCode.UNREAD, GpuState.WORKS: ExitCode.DONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line."""

    target: Target
    policy_file: Path | None
    namespace: str
    nodes: tuple[str, ...]
    image: str
    output: str
    timeout_seconds: float
    server_side: bool


def verify(options: Options) -> int:
    """Print the proof; return the exit code."""
    if options.server_side:
        return asyncio.run(_asked(options))
    try:
        proofs = asyncio.run(_proofs(options))
    except asyncio.CancelledError:
        raise click.Abort from None
    if options.output == "json":
        click.echo(json.dumps(to_json(proofs), indent=2, ensure_ascii=False))
    else:
        show(proofs, Console(highlight=False))
    states = {proof.state for proof in proofs}
    return next(code for state, code in EXIT_CODES.items() if state in states)


async def _asked(options: Options) -> int:
    """Ask only the API server; the annotation of the pod in the dry run is the proof."""
    if not options.namespace:
        raise InputError("--server-side needs -n NAMESPACE, one that is opted in")
    tried = await _tried(options)
    if options.output == "json":
        found = {
            "version": JSON_VERSION,
            "namespace": tried.namespace,
            "decision": tried.word,
            "refusal": tried.refusal,
        }
        click.echo(json.dumps(found, indent=2))
    elif tried.word:
        click.echo(f"a GPU pod in {tried.namespace}: {tried.word}")
    else:
        click.echo(f"the webhook did not answer for a GPU pod in {tried.namespace}: {tried.refusal or 'no annotation'}")
    return EXIT_CODES[GpuState.WORKS if tried.word else GpuState.FAILS]


async def _tried(options: Options) -> DryRun:
    """Repeat for a while: a new namespace and a new registration need a moment to reach every cache."""
    deadline = time.monotonic() + options.timeout_seconds
    async with api_server(options.target) as client:
        policy = (await installed_policy(client, options.policy_file)).policy
        while True:
            tried = await try_gpu_pod(client, options.namespace, policy)
            if time.monotonic() >= deadline or (isinstance(tried, DryRun) and tried.word):
                break
            await asyncio.sleep(POLL_SECONDS)
    if isinstance(tried, Unread):
        raise UnreadError(tried.why)
    return tried


async def _proofs(options: Options) -> Sequence[ProbeResult]:
    _end_in_order()
    async with api_server(options.target) as client:
        plan = await _plan(client, options)
        async with probe_namespace(client, options.namespace) as where:
            return await probe_nodes(client, where, plan)


def _end_in_order() -> None:
    """Handle SIGTERM like Ctrl-C: created objects are deleted before the end."""
    task = asyncio.current_task()
    if task and threading.current_thread() is threading.main_thread():  # no other gets signals
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _plan(client: KubeClient, options: Options) -> Plan:
    installed = await installed_policy(client, options.policy_file)
    policy, home = installed.policy, installed.registered.home
    listed = await objects(client, "/api/v1/nodes", page_size=NODES_PAGE_SIZE)
    reports = await read_reports(client, home)
    # A user who may not read the reports sees what labels show.
    known = NodeReports() if isinstance(reports, Unread) else reports
    facts = ClusterFacts(policy=policy, now=datetime.now(UTC), nodes=tuple(listed), node_reports=known)
    nodes = {node.name: _resource(facts.offered(node)) for node in facts.gpu_nodes}
    missing = sorted(set(options.nodes) - nodes.keys())
    if missing:
        raise InputError(f"no GPU node: {', '.join(missing)}")
    chosen = {name: resource for name, resource in nodes.items() if not options.nodes or name in options.nodes}
    if not chosen:
        raise InputError("no node offers a GPU, or is labelled to have one: gpu-injector doctor shows why")
    image = options.image or await _own_image(client, home)
    program = program_of_any_image() if options.image else own_program()
    return Plan(chosen, image, program, policy, options.timeout_seconds)


def _resource(offered: Mapping[str, str]) -> str:
    return next((name for name, amount in sorted(offered.items()) if is_positive(amount)), "")


async def _own_image(client: KubeClient, home: str) -> str:
    found = await client.find(f"/apis/apps/v1/namespaces/{home}/deployments/gpu-injector")
    template = mapping(mapping(mapping(found).get("spec")).get("template"))
    containers = items(mapping(template.get("spec")).get("containers"))
    image = next((text(container.get("image")) for container in containers), "")
    if not image:
        raise InputError("gpu-injector is not installed here: name an image with Python by --image")
    return image


def to_json(proofs: Iterable[ProbeResult]) -> dict[str, Any]:
    """Return the form of ``-o json``, which docs/verify.md describes; keys are only ever added to it."""
    rows = [
        {
            "node": proof.node,
            "state": proof.state,
            "why": [message(why.code, why.text) for why in proof.why],
            "decision": proof.decision,
            "answer": dict(proof.answer),
        }
        for proof in proofs
    ]
    return {"version": JSON_VERSION, "nodes": rows}


def show(proofs: Iterable[ProbeResult], console: Console) -> None:
    """Print a table with a row for each node, and the problems below it."""
    found = list(proofs)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("NODE", "", "DRIVER", "NVML", "CUDA", "DEVICES", "DECISION"):
        table.add_column(title, overflow="fold")
    for proof in found:
        table.add_row(*_row(proof))
    console.print(table)
    for proof in found:
        console.print(_below(proof), soft_wrap=True)


def _row(proof: ProbeResult) -> tuple[str | Text, ...]:
    nvml, cuda, devices = (mapping(proof.answer.get(key)) for key in ("nvml", "cuda", "devices"))
    return (
        Text(proof.node),
        Text(f"{SYMBOLS[proof.state]} {proof.state}", style=COLOURS[proof.state]),
        Text(text(nvml.get("driverVersion")) or "-"),
        Text(text(nvml.get("devices")) or "-"),
        Text(text(cuda.get("devices")) or "-"),
        Text(" ".join(path.removeprefix("/dev/") for path in devices) or "-"),
        Text(proof.decision or "-"),
    )


def _below(proof: ProbeResult) -> Text:
    lines = Text(f"{proof.node}", style="bold")
    for why in proof.why:
        lines.append(f"\n  {why.text}", style=COLOURS[proof.state])
    for key in ("nvml", "cuda"):
        found = mapping(proof.answer.get(key))
        if found.get("path"):
            came = text(found.get("from"))
            lines.append(
                f"\n  {found['path']}  {f'from {came} of the host' if came else 'from the image'}", style="dim"
            )
    for name, value in mapping(proof.answer.get("environment")).items():
        lines.append(f"\n  {name}={value}", style="dim")
    return lines
