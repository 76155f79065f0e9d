"""What a webhook adds to the creation of a pod, on a real API server: none, ours, two in Go, an admission policy.

All are registered at once, each for a namespace of its own, and asked in turns: one API server, one moment.
"""

import base64
import http.client
import json
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import yaml
from e2e.control_plane import ControlPlane, wait_for_namespace
from e2e.installation import MANIFEST, running_webhook
from e2e.processes import until

from .plane import installed
from .process import ServerError, running
from .review import REVIEW
from .rows import FLOOR, GO, NOTHING, OURS, POLICY, Bench, Row
from .servers import floor, go_peer_for

NAMESPACES = {
    NOTHING: "bench-nothing",
    OURS: "bench-ours",
    GO: "bench-go",
    FLOOR: "bench-floor",
    POLICY: "bench-policy",
}
INJECT = "gpu-injector.io/inject"
SETTLE_SECONDS = 60
PODS_A_RUN = 200


@dataclass(frozen=True, slots=True)
class Client:
    """One connection to the API server, as its administrator."""

    connection: http.client.HTTPSConnection
    token: str

    @classmethod
    def of(cls, plane: ControlPlane) -> "Client":
        """Connect as kubectl's kubeconfig says."""
        config = yaml.safe_load(plane.kubectl.kubeconfig.read_text())
        context = ssl.create_default_context(cafile=plane.certificate_authority)
        address = urlsplit(plane.url)
        connection = http.client.HTTPSConnection(str(address.hostname), address.port, context=context, timeout=30)
        return cls(connection, config["users"][0]["user"]["token"])

    def create(self, namespace: str) -> tuple[float, dict[str, Any]]:
        """Create the benchmark's pod with dryRun=All; return the milliseconds it took, and the answer."""
        pod = _pod(namespace)
        body = json.dumps(pod, separators=(",", ":"))
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        started = time.perf_counter()
        self.connection.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        took_ms = (time.perf_counter() - started) * 1000
        if answer.status != http.client.CREATED:
            raise ServerError(f"{namespace}: {answer.status} {content[:500]!r}")
        return took_ms, json.loads(content)


def creation(bench: Bench) -> Iterator[Row]:
    """Measure how long pods take to be created. Raises ServerError."""
    bench.say("pod creation on a real API server")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpu-injector-bench-")))
        client = _set_up(stack, folder, bench)
        runs = [_round(client) for _ in range(bench.runs)]
    for word, of in (("p50", statistics.median), ("p99", _p99)):
        values = {column: [of(run[column]) for run in runs] for column in NAMESPACES}
        yield Row(f"creation{word.title()}Milliseconds", f"pod creation {word} ms", values, "{:.2f}")
    added = {
        column: [statistics.median(run[column]) - statistics.median(run[NOTHING]) for run in runs]
        for column in (OURS, GO, FLOOR, POLICY)
    }
    yield Row("addedMilliseconds", "of that added, p50 ms", added, "{:.2f}")


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def _round(client: Client) -> Mapping[str, list[float]]:
    """Create pods in every namespace in turn."""
    met: dict[str, list[float]] = {column: [] for column in NAMESPACES}
    for _ in range(PODS_A_RUN):
        for column, namespace in NAMESPACES.items():
            took_ms, _ = client.create(namespace)
            met[column].append(took_ms)
    return met


def _set_up(stack: ExitStack, folder: Path, bench: Bench) -> Client:
    """Run everything for as long as the stack lives; every namespace's pods are changed as they should be."""
    plane, port = stack.enter_context(installed(folder, bench))
    plane.kubectl.apply(map(_namespace, NAMESPACES.values()))
    for namespace in NAMESPACES.values():
        wait_for_namespace(plane, namespace)
    stack.enter_context(running_webhook(plane, port))
    _register(stack, plane, folder / "peer", GO)
    _register(stack, plane, folder / "floor", FLOOR)
    plane.kubectl.apply(_admission_policy(folder))
    client = Client.of(plane)
    for column, namespace in NAMESPACES.items():
        patched = column not in (NOTHING, FLOOR)
        until(lambda ns=namespace, patched=patched: _is_patched(client, ns) == patched, column)  # type: ignore[misc]
    until(lambda: _is_called(plane, client, FLOOR), FLOOR)
    return client


def _namespace(name: str) -> dict[str, Any]:
    labels = {INJECT: "enabled"} if name == NAMESPACES[OURS] else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _pod(namespace: str) -> dict[str, Any]:
    """Return the pod of the benchmark's review, as its author would have sent it."""
    pod = json.loads(REVIEW.read_bytes())["request"]["object"]
    metadata = {key: pod["metadata"][key] for key in ("generateName", "labels", "annotations")}
    own = {key: value for key, value in pod["spec"].items() if key not in ("priority", "serviceAccount")}
    own["serviceAccountName"] = "default"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "namespace": namespace}, "spec": own}


def _is_patched(client: Client, namespace: str) -> bool:
    return bool(client.create(namespace)[1]["spec"].get("runtimeClassName") == "nvidia")


def _is_called(plane: ControlPlane, client: Client, column: str) -> bool:
    """Whether the API server calls a webhook that changes nothing: its own metrics count the calls."""
    client.create(NAMESPACES[column])
    metrics = plane.kubectl.run("get", "--raw", "/metrics").stdout
    wanted = f'apiserver_admission_webhook_request_total{{code="200",name="{_entry_of(column)}"'
    return wanted in metrics


def _entry_of(column: str) -> str:
    return f"{NAMESPACES[column]}.bench.example"


def _register(stack: ExitStack, plane: ControlPlane, folder: Path, column: str) -> None:
    """Run a webhook in Go, registered as ours is: same conditions, same timeout."""
    folder.mkdir()
    launch = floor(folder) if column == FLOOR else go_peer_for(NAMESPACES[column], folder)
    server = stack.enter_context(running(launch, folder))
    documents = yaml.safe_load_all(MANIFEST.read_text())
    registration = next(one for one in documents if one and one["kind"] == "MutatingWebhookConfiguration")
    entry = next(one for one in registration["webhooks"] if one["name"].startswith("workloads."))
    entry |= {
        "name": _entry_of(column),
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACES[column]}},
        "clientConfig": {
            "url": f"https://127.0.0.1:{server.port}/mutate/workloads",
            "caBundle": base64.b64encode(launch.authority.read_bytes()).decode(),
        },
    }
    plane.kubectl.apply([{**registration, "metadata": {"name": NAMESPACES[column]}, "webhooks": [entry]}])


def _admission_policy(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what `export` prints, for the policy's namespace alone."""
    program = Path(sys.executable).with_name("gpu-injector")
    command = [str(program), "export", "mutating-admission-policy"]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    selector = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACES[POLICY]}}
    for document in yaml.safe_load_all(printed.stdout):
        if document["kind"] == "MutatingAdmissionPolicy":
            document["spec"]["matchConstraints"]["namespaceSelector"] = selector
        if document["kind"] == "MutatingAdmissionPolicyBinding":
            document["spec"].setdefault("matchResources", {})["namespaceSelector"] = selector
        yield cast("dict[str, Any]", document)
