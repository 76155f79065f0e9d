"""What 5,000 reports of node facts cost in the view: memory, the time to read them, and the time of a decision."""

import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from support.node_reports import HOME, facts_daemon_set

from webhook.decide.decision import RequestInfo
from webhook.decide.nodes.candidates import node_groups
from webhook.decide.workload.decide import decide
from webhook.kube_client.resource import Found
from webhook.policy.model import Policy
from webhook.view.projections import FACTS_POD, view_of
from webhook.view.store import KindCache
from webhook.view.view import ClusterView

from .reports import report_pod
from .rows import OURS, Bench, Row
from .scale import NODES, node

UID = "11111111-2222-4333-8444-555555555555"
MIB = 1024 * 1024
PAGE = 50
DECISIONS = 500
POD: Mapping[str, Any] = {
    "metadata": {"name": "trainer", "namespace": "ml"},
    "spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
}
CLASS = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"}
LABELS = {"gpu-injector.io/inject": "enabled"}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml", "labels": LABELS}}

HEADINGS = {
    "factsMiB": f"MiB of {NODES} reports of node facts in the view",
    "factsProjectedMilliseconds": "ms of processor time to read them from the API server's pages",
    "factsIndexMilliseconds": "ms more for the index of nodes, in its thread",
    "factsDecisionP50Milliseconds": "p50 ms of a decision with them",
    "noFactsDecisionP50Milliseconds": "p50 ms of a decision without them",
}


def node_reports(bench: Bench) -> Iterator[Row]:
    """Measure in this process, with a report for each node of the large cluster; each node has another boot ID."""
    bench.say(f"{NODES} reports of node facts")
    runs = [measure(NODES) for _ in range(bench.runs)]
    for key, heading in HEADINGS.items():
        yield Row(key, heading, {OURS: [run[key] for run in runs]}, "{:,.2f}")


def measure(count: int) -> Mapping[str, float]:
    """Return the figures for a number of nodes."""
    pages = [
        json.dumps([_report(number) for number in range(at, min(at + PAGE, count))]) for at in range(0, count, PAGE)
    ]
    mebibytes, seconds, view = _listed(pages, _cluster(count))
    assert len(view.facts_pods) == count
    without = replace(view, facts_pods={}, facts_daemon_sets={})
    plain, plain_index = _decided(without)
    reporting, index = _decided(view)
    return {
        "factsMiB": mebibytes,
        "factsProjectedMilliseconds": seconds * 1000,
        "factsIndexMilliseconds": (index - plain_index) * 1000,
        "factsDecisionP50Milliseconds": reporting * 1000,
        "noFactsDecisionP50Milliseconds": plain * 1000,
    }


def _listed(pages: list[str], view: ClusterView) -> tuple[float, float, ClusterView]:
    """Read pages as the watch does; return the memory that stays, the time, and the view with the reports."""
    began = time.process_time()
    _read(pages)
    seconds = time.process_time() - began
    gc.collect()
    tracemalloc.start()
    cache = _read(pages)
    gc.collect()
    mebibytes = tracemalloc.get_traced_memory()[0] / MIB
    tracemalloc.stop()
    owner = facts_daemon_set(uid=UID)
    found = replace(view, facts_pods=cache.values or {}, facts_daemon_sets={f"{HOME}/{owner['metadata']['name']}": UID})
    return mebibytes, seconds, found


def _read(pages: list[str]) -> KindCache:
    cache, listed = KindCache(), {}
    for page in pages:
        for item in json.loads(page):
            listed[FACTS_POD.key(item)] = Found(int(item["metadata"]["resourceVersion"]), FACTS_POD.project(item))
    cache.replace(listed, 1, started_at=0.0)
    return cache


def _decided(view: ClusterView) -> tuple[float, float]:
    """Return the median time of a decision, and the time of the index that the first one needs."""
    policy, request = Policy(), RequestInfo("ml", runtime_classes_age_seconds=0.0)
    began = time.process_time()
    node_groups(view, policy)
    index = time.process_time() - began
    decision, durations = decide(POD, request, policy, view), []
    assert decision.word == "inject/runtime-class", decision
    for _ in range(DECISIONS):
        began = time.perf_counter()
        decide(POD, request, policy, view)
        durations.append(time.perf_counter() - began)
    return statistics.median(durations), index


def _cluster(count: int) -> ClusterView:
    return view_of((*(node(number) for number in range(count)), CLASS, NAMESPACE))


def _report(number: int) -> dict[str, Any]:
    pod = report_pod(number, UID)
    pod["metadata"]["resourceVersion"] = str(10**6 + number)
    return pod
