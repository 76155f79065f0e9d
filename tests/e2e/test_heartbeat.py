"""The heartbeat on real API servers: each way in which they stop calling us is found, and its cause named."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certs.api import Installation
from certs.certificate import write_certificates
from certs.rotation import Schedule
from certs.rotation_steps import create
from e2e.commands import gpu_injector
from e2e.control_plane import LOOPBACK, ControlPlane, free_port
from e2e.direct_api import MERGE_PATCH, DirectApi
from e2e.forwarder import forwarding
from e2e.installation import NAME, Webhook, running_webhook
from e2e.kubectl import Kubectl
from e2e.pods import wait_for_decision
from e2e.processes import until
from webhook.names import HEARTBEAT_ENTRY, HEARTBEAT_NAME

PATH = "/mutate/heartbeat"
REGISTRATION = Installation().registration_path("mutatingwebhookconfigurations")
INJECTED = "inject/runtime-class"
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The API server, a replica that sends a heartbeat each second, and the entries as they are when all is well."""

    api: DirectApi
    webhook: Webhook
    entries: list[Entry]

    def entry(self, name: str = "heartbeat") -> tuple[list[Entry], Entry]:
        """Return a copy of all entries, and one of them, to be changed in place."""
        entries = deepcopy(self.entries)
        return entries, next(one for one in entries if one["name"] == f"{name}.gpu-injector.io")

    def register(self, entries: list[Entry]) -> None:
        """Register these entries, whatever is registered now."""
        status, answer = self.api.call("PATCH", REGISTRATION, {"webhooks": entries}, MERGE_PATCH)
        assert status == 200, answer

    def state(self) -> str:
        """Return the state of the heartbeat, as a scrape shows it."""
        states = ("answered", "missed", "refused", "unknown", "standby")
        return next((one for one in states if self.webhook.metric("gpu_injector_heartbeat", state=one)), "")

    def reasons(self, event: str, since: int) -> list[str]:
        """Return the reasons of an event that the replica logged after its first lines."""
        lines = self.webhook.process.log.read_text().splitlines()[since:]
        logged = (json.loads(line) for line in lines if line.startswith("{"))
        return [str(one.get("reason")) for one in logged if one.get("event") == event]

    def logged(self) -> int:
        """Return how many lines the replica has logged."""
        return len(self.webhook.process.log.read_text().splitlines())

    def events(self, reason: str) -> list[str]:
        """Return the notes of the Events of a reason in our namespace."""
        found = self.api.get(f"/apis/events.k8s.io/v1/namespaces/{NAME}/events")["items"]
        return [one["note"] for one in found if one["reason"] == reason]


@pytest.fixture
def cluster(plane: ControlPlane, webhook_port: int) -> Iterator[Cluster]:
    """Run a replica whose heartbeats are answered; the registration is restored after the test."""
    path = f"/apis/events.k8s.io/v1/namespaces/{NAME}/events"
    with (
        DirectApi(plane.kubectl.kubeconfig) as api,
        running_webhook(plane, webhook_port, "--heartbeat-seconds", "1") as webhook,
    ):
        api.call("DELETE", path)
        wait_for_decision(plane.kubectl, INJECTED)
        item = api.get(REGISTRATION)
        made = Cluster(api, webhook, item["webhooks"])
        until(lambda: made.state() == "answered", "the heartbeat is answered")
        yield made
        if api.call("GET", REGISTRATION)[0] != 200:
            bare = {key: item[key] for key in ("apiVersion", "kind", "webhooks")} | {"metadata": {"name": NAME}}
            assert api.call("POST", REGISTRATION.rpartition("/")[0], bare)[0] == 201
        made.register(made.entries)


@contextmanager
def closed_port(cluster: Cluster) -> Iterator[None]:
    """Let the entry lead to a port on which nothing listens."""
    entries, entry = cluster.entry()
    entry["clientConfig"]["url"] = f"https://{LOOPBACK}:{free_port()}{PATH}"
    cluster.register(entries)
    yield


@contextmanager
def no_endpoints(cluster: Cluster) -> Iterator[None]:
    """Let the entry name the Service, which selects no pod here."""
    entries, entry = cluster.entry()
    del entry["clientConfig"]["url"]
    entry["clientConfig"]["service"] = {"namespace": NAME, "name": NAME, "path": PATH, "port": 443}
    cluster.register(entries)
    yield


@contextmanager
def dropped_packets(cluster: Cluster) -> Iterator[None]:
    """Let the entry lead through a road on which no byte arrives."""
    port = free_port()
    with forwarding(port, cluster.webhook.port) as road:
        road.swallows = True
        entries, entry = cluster.entry()
        entry["clientConfig"]["url"] = f"https://{LOOPBACK}:{port}{PATH}"
        cluster.register(entries)
        yield
        road.swallows = False


@contextmanager
def wrong_bundle(cluster: Cluster) -> Iterator[None]:
    """Write the caBundle of another authority."""
    other = create(Installation().names, datetime.now(UTC), Schedule())
    entries, entry = cluster.entry()
    entry["clientConfig"]["caBundle"] = base64.b64encode(write_certificates(other.bundle)).decode()
    cluster.register(entries)
    yield


@contextmanager
def registration_deleted(cluster: Cluster) -> Iterator[None]:
    """Delete the registration."""
    assert cluster.api.call("DELETE", REGISTRATION)[0] == 200
    yield


@contextmanager
def entry_removed(cluster: Cluster) -> Iterator[None]:
    """Remove the entry of the heartbeat."""
    cluster.register([one for one in cluster.entries if one["name"] != HEARTBEAT_ENTRY])
    yield


@contextmanager
def condition_changed(cluster: Cluster) -> Iterator[None]:
    """Let no object match."""
    entries, entry = cluster.entry()
    entry["matchConditions"][0]["expression"] = "object.metadata.name == 'another'"
    cluster.register(entries)
    yield


BROKEN: dict[str, tuple[Callable[[Cluster], AbstractContextManager[None]], str]] = {
    "closed port": (closed_port, "the call failed at once and did not reach the webhook: https://"),
    "Service without endpoints": (no_endpoints, f"the Service {NAME} in {NAME} has no ready endpoint"),
    "packets dropped": (
        dropped_packets,
        "the call timed out and did not reach the webhook: a NetworkPolicy or firewall",
    ),
    "wrong caBundle": (wrong_bundle, f"the caBundle of the entry {HEARTBEAT_ENTRY} does not accept the certificate"),
    "registration deleted": (registration_deleted, f"the MutatingWebhookConfiguration {NAME} was deleted"),
    "entry removed": (entry_removed, f"the registration has no entry {HEARTBEAT_ENTRY}"),
    "condition changed": (
        condition_changed,
        f"the entry {HEARTBEAT_ENTRY} was changed: its matchConditions are not those",
    ),
}


@pytest.mark.parametrize(("fault", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_broken_path_is_found_and_its_cause_named(
    cluster: Cluster, plane: ControlPlane, fault: Callable[[Cluster], AbstractContextManager[None]], cause: str
) -> None:
    """By the replica, which tells metric, log and Event, and by doctor's first check. Then all is well again."""
    since = cluster.logged()
    with fault(cluster):
        until(lambda: cluster.state() == "missed", "the heartbeat is missed")
        assert [reason for reason in cluster.reasons("heartbeat-missed", since) if cause in reason]
        until(lambda: [note for note in cluster.events("NotCalled") if cause in note], "an Event names the cause")
        first = doctor(plane.kubectl.kubeconfig)
        assert (first["check"], first["state"]) == ("heartbeat", "fail")
        assert f"the API server does not call the webhook: {cause}" in first["evidence"][0]["message"]
    if cluster.api.call("GET", REGISTRATION)[0] == 200:
        cluster.register(cluster.entries)
        until(lambda: cluster.state() == "answered", "the heartbeat is answered again")
        assert cluster.reasons("heartbeat-recovered", since)
        assert doctor(plane.kubectl.kubeconfig)["state"] == "pass"


def doctor(kubeconfig: Path) -> dict[str, Any]:
    """Return the first check of doctor."""
    printed = gpu_injector("doctor", "-o", "json", kubeconfig=kubeconfig)
    assert printed.stdout, printed.stderr
    first: dict[str, Any] = printed.object["checks"][0]
    return first


def selected(expression: dict[str, Any]) -> Callable[[Entry], object]:
    """Return a change that adds an expression to a namespaceSelector."""
    return lambda entry: entry["namespaceSelector"]["matchExpressions"].append(expression)


CHANGED: dict[str, tuple[str, Callable[[Entry], object], str]] = {
    "rules": ("workloads", lambda entry: entry["rules"][0].update(operations=["DELETE"]), "its rules lack CREATE pods"),
    "selector": (
        "workloads",
        lambda entry: entry.update(namespaceSelector={"matchLabels": {"team": "a"}}),
        "its namespaceSelector lacks gpu-injector.io/inject In dry-run, enabled",
    ),
    "conditions": ("ephemeral", lambda entry: entry.pop("matchConditions"), "its matchConditions are not those"),
    "AKS": (
        "bootstrap",
        selected({"key": "control-plane", "operator": "DoesNotExist"}),
        "its namespaceSelector also has control-plane DoesNotExist (AKS's Admissions Enforcer adds this",
    ),
    "GKE Autopilot": (
        "bootstrap",
        selected(
            {
                "key": "kubernetes.io/metadata.name",
                "operator": "NotIn",
                "values": ["kube-system", "gke-gmp-system", "gke-managed-cim"],
            }
        ),
        "GKE Autopilot adds this",
    ),
    "failurePolicy": ("workloads", lambda entry: entry.update(failurePolicy="Fail"), "failurePolicy is Fail"),
}


@pytest.mark.parametrize(("name", "change", "words"), CHANGED.values(), ids=CHANGED)
def test_a_changed_entry_is_found(cluster: Cluster, name: str, change: Callable[[Entry], object], words: str) -> None:
    """By reading the registration back: the heartbeat itself is still answered."""
    since = cluster.logged()
    entries, entry = cluster.entry(name)
    change(entry)
    cluster.register(entries)
    until(lambda: cluster.webhook.metric("gpu_injector_registration_drift"), "the difference is counted")
    assert [
        reason
        for reason in cluster.reasons("entry-drifted", since)
        if f"{name}.gpu-injector.io: {words}" in reason or words in reason
    ]
    until(lambda: [note for note in cluster.events("RegistrationChanged") if words in note], "an Event names it")
    assert cluster.state() == "answered"
    cluster.register(cluster.entries)
    until(lambda: not cluster.webhook.metric("gpu_injector_registration_drift"), "there is no difference any more")


def test_a_foreign_entry_is_an_event(cluster: Cluster) -> None:
    """As a thief of our token could add it."""
    entries, entry = cluster.entry()
    stolen = {**entry, "name": "steal.example.com", "clientConfig": {"url": "https://203.0.113.1/"}}
    cluster.register([*entries, stolen])
    until(lambda: [note for note in cluster.events("ForeignEntries") if "steal.example.com" in note], "an Event")


def test_nothing_is_stored_and_other_config_maps_cause_no_call(cluster: Cluster, kubectl: Kubectl) -> None:
    """Only the one that is only tried does; a ConfigMap of our namespace is created as before."""
    sent, written = cluster.webhook.calls(PATH), writes(cluster)
    before = len(until(written, "audited"))
    until(lambda: cluster.webhook.calls(PATH) > sent + 2, "heartbeats are sent")
    names = [one["metadata"]["name"] for one in cluster.api.get(f"/api/v1/namespaces/{NAME}/configmaps")["items"]]
    assert HEARTBEAT_NAME not in names
    other = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "another", "namespace": NAME},
        "data": {"a": "b"},
    }
    created = kubectl.create(other).object
    kubectl.run("delete", "configmap", "another", "--namespace", NAME)
    assert "annotations" not in created["metadata"]
    asked = [event["objectRef"]["resource"] for event in written()[before:] if event["verb"] == "create"]
    assert "configmaps" in asked
    assert set(asked) <= {"configmaps", "events", "leases", "secrets"}


def writes(cluster: Cluster) -> Callable[[], list[dict[str, Any]]]:
    """Return a function that reads what the webhook's account wrote."""
    account = f"system:serviceaccount:{NAME}:{NAME}"
    log = cluster.webhook.process.log.with_name("audit.log")

    def read() -> list[dict[str, Any]]:
        events = (json.loads(line) for line in log.read_text().splitlines())
        return [one for one in events if one["user"]["username"] == account and "objectRef" in one]

    return read


def test_a_quota_is_no_alarm(cluster: Cluster, kubectl: Kubectl) -> None:
    """Whether the API server would have called us is unknown then."""
    count = len(cluster.api.get(f"/api/v1/namespaces/{NAME}/configmaps")["items"])
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "full", "namespace": NAME},
        "spec": {"hard": {"configmaps": str(count)}},
    }
    kubectl.apply([quota])
    try:
        until(lambda: cluster.state() == "refused", "the heartbeat is refused")
        assert cluster.events("NotCalled") == []
    finally:
        kubectl.run("delete", "resourcequota", "full", "--namespace", NAME)
    until(lambda: cluster.state() == "answered", "the heartbeat is answered again")
