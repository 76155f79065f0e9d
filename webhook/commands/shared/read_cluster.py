"""Read a cluster as doctor does, live or from a file; write all that was read into a file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.progress import Progress

from certs.api import Installation
from certs.report import find_installation
from webhook.archive.archive import Archive
from webhook.archive.record import Recorded, RecordingClient
from webhook.commands.shared.cluster import InstalledPolicy, UnreadError, installed_policy, live_view
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.list_workloads import RESOURCES
from webhook.commands.shared.replica_certificates import presented
from webhook.commands.shared.replica_port_forward import ADMIN_PORT, Replicas, port_of
from webhook.doctor.archived_facts import to_json
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import Unread
from webhook.doctor.last_events import names_cause
from webhook.doctor.read import Asked, Sorting, read_facts
from webhook.kube.metadata import labels_of, name_of
from webhook.kube.templates import pods_within
from webhook.kube.values import items, mapping, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.paging import pages
from webhook.names import APP_SELECTOR
from webhook.policy.model import Policy
from webhook.view.live_view import utc_now
from webhook.view.node_facts_pods import is_facts_object

METRICS_SECONDS = 10
GATEWAY_TIMEOUT = 504
# The parts of a replica's decision that are kept: no operations, which may contain values, and no warnings.
DECISION_FIELDS = ("time", "uid", "namespace", "name", "owner", "verdict", "reason", "dryRun", "replica")


async def look(client: KubeClient, asked: Asked, now: datetime) -> ClusterFacts:
    """Read the cluster once, and the certificates that the replicas serve. ``OSError`` when no answer came."""
    facts = await read_facts(client, asked, now)
    try:
        installation = await find_installation(client, facts.home)
    except ApiError:
        # Without the Secret, the name of the Service is what the API server asks for.
        installation = Installation(facts.home)
    try:
        return replace(facts, presented=tuple(await presented(client, installation)))
    except ApiError as refused:
        return replace(facts, presented=Unread(f"registrations could not be read: {refused}"))


@dataclass(frozen=True, slots=True)
class Interest:
    """Which objects go into a file: those that a check or a decision reads."""

    policy: Policy

    def __call__(self, item: Mapping[str, Any]) -> bool:
        """Say whether an object is of interest."""
        kind, sorting = text(item.get("kind")), Sorting(self.policy)
        if kind == "Event":
            return names_cause(item)
        key, _, value = APP_SELECTOR.partition("=")
        if labels_of(item).get(key) == value or kind not in WITH_PODS or is_facts_object(item):
            return True
        return sorting.keeps(item) or any(sorting.keeps(pod) for _, pod in pods_within(item))


WITH_PODS = frozenset(
    {"Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"}
)


async def record_view(client: KubeClient, policy_file: Any) -> Archive:  # noqa: ANN401 - a path, or None
    """Return everything that a decision reads."""
    recorded = Recorded(lambda _: True)
    recording = RecordingClient(client, recorded)
    installed = await installed_policy(recording, policy_file)
    recorded.keeps = Interest(installed.policy)
    await live_view(recording, installed.policy, registered=installed.registered)
    return _archive(recorded, installed, {})


async def record_all(client: KubeClient, asked_for: Mapping[str, Any], progress: Progress) -> Archive:
    """Return everything that doctor, why and preview read. ``asked_for``: policy_file, scope, own_namespace."""
    recorded = Recorded(lambda _: True)
    recording = RecordingClient(client, recorded)
    installed = await installed_policy(recording, asked_for["policy_file"])
    recorded.keeps = Interest(installed.policy)
    task = progress.add_task("checks", total=3)
    facts = await look(recording, Asked(installed.policy, asked_for["scope"], asked_for["own_namespace"]), utc_now())
    told, scope, home = to_json(facts), facts.scope, facts.home
    # The objects as they were read are large; what is kept of them has been recorded.
    del facts
    progress.update(task, completed=1)
    await live_view(recording, installed.policy, registered=installed.registered)
    progress.update(task, completed=2)
    await _list_workloads(recording, scope, progress)
    replicas = await _replicas(client, home)
    await _metrics(client, home, recorded)
    progress.update(task, completed=3)
    return _archive(recorded, installed, {**told, "namespace": scope, **replicas})


async def _list_workloads(client: KubeClient, scope: str, progress: Progress) -> None:
    """List the objects that create pods; a list that is refused is recorded as such."""
    for path in RESOURCES:
        group, _, plural = path.rpartition("/")
        if plural == "pods":
            continue
        task = progress.add_task(plural, total=None)
        try:
            async for page in pages(client, f"{group}/namespaces/{scope}/{plural}" if scope else path):
                done = progress.tasks[task].completed + len(page.items)
                progress.update(task, completed=done, total=done + (page.remaining or 0))
        except ApiError:
            continue


async def _replicas(client: KubeClient, home: str) -> dict[str, Any]:
    """Return the replicas' state and decisions, of which only names, verdicts and reasons are kept."""
    try:
        answers = await Replicas(client, home).ask({}, {})
    except (InputError, UnreadError) as error:
        return {"replicas": [], "replicasUnread": error.message}
    kept = ("replica", "unreachable", "version", "ready", "synced")
    return {
        "replicas": [{key: text(answer.state[key]) for key in kept if key in answer.state} for answer in answers],
        "problems": [
            {key: text(event.get(key)) for key in ("event", "since")}
            for answer in answers
            for event in items(answer.state.get("problems"))
        ],
        "decisions": [
            {key: record[key] for key in DECISION_FIELDS if key in record}
            for answer in answers
            for record in answer.records
        ],
    }


async def _metrics(client: KubeClient, home: str, recorded: Recorded) -> None:
    """Record the metrics of each replica, by the API server's proxy; what it refuses is recorded as such."""
    try:
        pods = await Replicas(client, home).running()
    except (InputError, UnreadError):
        return
    for pod in pods:
        path = f"/api/v1/namespaces/{home}/pods/{name_of(pod)}:{port_of(pod, ADMIN_PORT)}/proxy/metrics"
        try:
            recorded.add_text(path, await client.text(path, timeout_seconds=METRICS_SECONDS))
        except ApiError as refused:
            recorded.answers[path] = refused.status
        except OSError:
            recorded.answers[path] = GATEWAY_TIMEOUT


def _archive(recorded: Recorded, installed: InstalledPolicy, facts: Mapping[str, Any]) -> Archive:
    texts = {"policyUnread": installed.unread} if installed.unread else {}
    objects, logs = recorded.objects(), recorded.logs()
    said = _scrubbed({**facts, **texts}, recorded.reduce.text)
    return Archive(
        time=utc_now(),
        objects=objects,
        answers=recorded.answers,
        texts=logs,
        facts={**mapping(said), **recorded.facts},
        tool=_version(),
    )


def _scrubbed(value: Any, scrub: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {key: _scrubbed(part, scrub) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(part, scrub) for part in value]
    return scrub(value) if isinstance(value, str) else value


def _version() -> str:
    try:
        return version("gpu-injector")
    except PackageNotFoundError:
        return ""
