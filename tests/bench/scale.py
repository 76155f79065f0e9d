"""Our view of a large cluster: thousands of nodes and namespaces in a real API server, every node a candidate."""

import http.client
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from e2e.control_plane import LOOPBACK, ControlPlane
from e2e.installation import Webhook, running_webhook

from .api_writes import Write, write_all
from .load import measure
from .plane import installed
from .process import Running, running, thread_seconds, usage
from .reports import boot_id, prepare, written
from .rows import GO, OURS, Bench, Row
from .servers import go_peer_for

NODES, NAMESPACES, RUNTIME_CLASSES = 5000, 5000, 50
INFORMERS = "informers:"
SYNCED_WITHIN_SECONDS = 120

HEADINGS = {
    "scaleSyncedSeconds": f"s to list {NODES} nodes and {NAMESPACES} namespaces",
    "scaleBlockedMilliseconds": "ms at most until a probe was answered meanwhile",
    "scaleBusyMilliseconds": "ms of processor time at most until a probe was answered",
    "scaleProcessorSeconds": "s of processor time for that, with the start",
    "scaleListedMiB": "MiB with them",
    "scalePeakMiB": "MiB with them and under load, at most",
    "scaleDecisionP50Milliseconds": "p50 ms of a decision with all nodes as candidates",
    "scaleDecisionP99Milliseconds": "p99 ms of a decision with all nodes as candidates",
}
FACTS = "Facts"
# The same once more, with a report of node facts for each node.
FACTS_HEADINGS = {
    "scaleFactsSyncedSeconds": f"s to list them, and {NODES} reports of node facts",
    "scaleFactsBlockedMilliseconds": "ms at most until a probe was answered meanwhile, with node facts",
    "scaleFactsBusyMilliseconds": "ms of processor time at most until a probe was answered, with node facts",
    "scaleFactsProcessorSeconds": "s of processor time for that, with the start, with node facts",
    "scaleFactsListedMiB": "MiB with them and the reports",
    "scaleFactsPeakMiB": "MiB with them and the reports and under load, at most",
    "scaleFactsDecisionP50Milliseconds": "p50 ms of a decision with all nodes as candidates, and their reports",
    "scaleFactsDecisionP99Milliseconds": "p99 ms of a decision with all nodes as candidates, and their reports",
}


def scale(bench: Bench) -> Iterator[Row]:
    """Fill a control plane, start the webhook, and measure it while it lists and while it decides.

    Raises ServerError and LoadError.
    """
    bench.say(f"a cluster with {NODES} nodes; filling it takes minutes")
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        measured = _measure(Path(temporary), bench)
    for key, heading in (HEADINGS | FACTS_HEADINGS).items():
        peer = {GO: [measured[INFORMERS + key]]} if INFORMERS + key in measured else {}
        yield Row(key, heading, {OURS: [measured[key]], **peer}, "{:,.2f}")


def _measure(folder: Path, bench: Bench) -> Mapping[str, float]:
    with installed(folder, bench) as (plane, port):
        _fill(plane)
        bench.say("the Go webhook with informers for the same kinds")
        informers = _measure_informers(plane, bench, folder)
        bench.say("listing it")
        listed = _measure_ours(plane, port, bench, folder)
        bench.say("listing it with node facts")
        return informers | listed | _measure_ours(plane, port, bench, folder, FACTS, "--node-facts")


def _measure_ours(
    plane: ControlPlane, port: int, bench: Bench, folder: Path, word: str = "", *arguments: str
) -> dict[str, float]:
    """Measure the webhook while it lists, and while it decides; ``word`` is part of the keys."""
    began = time.monotonic()
    name = f"listing{word}"
    with running_webhook(plane, port, *arguments, name=name) as webhook, _Probe(webhook) as probe:
        synced = webhook.process.wait_until(partial(_synced_at, webhook), "lists", seconds=SYNCED_WITHIN_SECONDS)
        blocked, busy = probe.longest_seconds, probe.busiest_seconds
        processor = usage(webhook.process.process.pid).cpu_seconds
        webhook.process.wait_until(lambda: webhook.read("/readyz") == b"ok\n", "is ready")
        server = Running(webhook.process.process.pid, port, ready_seconds=0)
        listed = usage(server.pid).resident_mib
        own = folder / name
        own.mkdir()
        measure(server, core=bench.cores[1], seconds=bench.seconds, folder=own)
        durations = _durations_ms(webhook.process.log)
        found = {
            "SyncedSeconds": synced - began,
            "BlockedMilliseconds": blocked * 1000,
            "BusyMilliseconds": busy * 1000,
            "ProcessorSeconds": processor,
            "ListedMiB": listed,
            "PeakMiB": usage(server.pid).peak_mib,
            "DecisionP50Milliseconds": statistics.median(durations),
            "DecisionP99Milliseconds": statistics.quantiles(durations, n=100)[-1],
        }
    return {f"scale{word}{key}": value for key, value in found.items()}


def _measure_informers(plane: ControlPlane, bench: Bench, folder: Path) -> dict[str, float]:
    """Measure the Go webhook once it has listed the same cluster, and under load."""
    own = folder / "peer"
    own.mkdir()
    # It listens once it has listed.
    launch = go_peer_for("ml-team", own, "--watched", str(plane.kubectl.kubeconfig))
    with running(launch, own) as server:
        listed = usage(server.pid).resident_mib
        measure(server, core=bench.cores[1], seconds=bench.seconds, folder=own)
        peak = usage(server.pid).peak_mib
        return {
            f"{INFORMERS}scaleSyncedSeconds": server.ready_seconds,
            f"{INFORMERS}scaleListedMiB": listed,
            f"{INFORMERS}scalePeakMiB": peak,
        }


def _synced_at(webhook: Webhook) -> float:
    return 0.0 if b"listed" in webhook.read("/readyz") else time.monotonic()


def _durations_ms(log: Path) -> Sequence[float]:
    lines = (json.loads(line) for line in log.read_text().splitlines() if '"decided"' in line)
    return [line["durationMs"] for line in lines if line["reason"] == "runtime-class"]


class _Probe:
    """Asks for ``/healthz`` again and again: it is answered by the event loop as soon as nothing blocks that.

    On a busy machine the answer also waits for a processor, so the time of the loop's own thread is reported, too.
    """

    def __init__(self, webhook: Webhook) -> None:
        self.longest_seconds = self.busiest_seconds = 0.0
        self._port, self._pid = webhook.admin_port, webhook.process.process.pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=30)
        while not self._ended.wait(0.002):
            began, used = time.perf_counter(), thread_seconds(self._pid)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            self.longest_seconds = max(self.longest_seconds, time.perf_counter() - began)
            self.busiest_seconds = max(self.busiest_seconds, thread_seconds(self._pid) - used)
        connection.close()


def _fill(plane: ControlPlane) -> None:
    owner = prepare(plane)
    writes = [
        *(Write("POST", "/apis/node.k8s.io/v1/runtimeclasses", runtime_class(one)) for one in range(RUNTIME_CLASSES)),
        *(Write("POST", "/api/v1/namespaces", namespace(number)) for number in range(NAMESPACES)),
        *(Write("POST", "/api/v1/nodes", node(number)) for number in range(NODES)),
    ]
    write_all(plane, writes)
    write_all(plane, tuple(written(NODES, owner)))


def runtime_class(number: int) -> dict[str, Any]:
    """Return a RuntimeClass beside the one that is used."""
    metadata = {"name": f"class-{number}"}
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": metadata, "handler": f"h{number}"}


def namespace(number: int) -> dict[str, Any]:
    """Return a team's namespace."""
    labels = {
        "gpu-injector.io/inject": "enabled",
        "team": f"team-{number}",
        "cost-center": str(number % 40),
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"team-{number}", "labels": labels}}


def node(number: int) -> dict[str, Any]:
    """Return a GPU node of about 13 KB: labels of feature discovery, annotations, conditions and images."""
    name = f"gpu-{number}"
    features = {f"feature.node.kubernetes.io/cpu-cpuid.FEATURE{index}": "true" for index in range(60)}
    labels = {
        **features,
        "feature.node.kubernetes.io/pci-10de.present": "true",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": f"gpu.{number % 4}",
        "nvidia.com/cuda.driver-version.full": "570.86.15",
        "nvidia.com/gpu.count": "8",
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "topology.kubernetes.io/zone": f"zone-{number % 3}",
    }
    image = "registry.example.com/team/a-model-server-with-a-long-name"
    resources = {"cpu": "96", "memory": "1Ti", "pods": "110", "nvidia.com/gpu": "8"}
    status = {
        "capacity": resources,
        "allocatable": resources,
        "conditions": [
            {"type": kind, "status": status, "reason": f"Kubelet{kind}", "message": f"kubelet has {kind}"}
            for kind, status in (("Ready", "True"), ("DiskPressure", "False"), ("MemoryPressure", "False"))
        ],
        "images": [
            {
                "names": [f"{image}-{index}@sha256:{index:064x}", f"{image}-{index}:1.{index}"],
                "sizeBytes": 10**9 + index,
            }
            for index in range(30)
        ],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": boot_id(number),
            "containerRuntimeVersion": "containerd://2.1.4",
            "kernelVersion": "6.8.0-85-generic",
            "kubeProxyVersion": "",
            "kubeletVersion": "v1.37.2",
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "Ubuntu 24.04.3 LTS",
            "systemUUID": "",
        },
        "runtimeHandlers": [{"name": handler} for handler in ("", "runc", "nvidia")],
    }
    metadata = {
        "name": name,
        "labels": labels,
        "annotations": {f"example.com/note-{index}": "x" * 120 for index in range(8)},
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}
