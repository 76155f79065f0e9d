"""Which pods' reports count as node facts, in the live view and in files; all others change nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cluster_world import until, watching
from support.fake_api import FakeApi
from support.node_reports import HOME, facts_daemon_set, facts_pod, report_status

from webhook.decide.nodes.known_facts import NO_FACTS, facts_by_node
from webhook.node_facts.facts_report import MAX_BYTES, NodeFacts
from webhook.view.node_facts_pods import project_facts_pod
from webhook.view.projections import view_of
from webhook.view.watched_resources import resources

Json = dict[str, Any]
UID = "uid-of-node-facts"
TRUE = NodeFacts(boot_id="b-1", gpus={"nvidia": 1})
LIE = NodeFacts(boot_id="b-1", gpus={"vfio-pci": 4}, added=True)
NODE: Json = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n"},
    "status": {"nodeInfo": {"bootID": "b-1"}},
}


def lie(owner: str, facts: NodeFacts | str = LIE, **changes: str) -> Json:
    """Return a pod with a false report, whose name is the last of all."""
    return facts_pod("n", facts, owner, name="zzz", **changes)


def without_owner(owner: str) -> Json:
    """Return one that a tenant created directly."""
    found = lie(owner)
    del found["metadata"]["ownerReferences"]
    return found


def not_controlled(owner: str) -> Json:
    """Return one with an owner that does not control it."""
    found = lie(owner)
    del found["metadata"]["ownerReferences"][0]["controller"]
    return found


def of_another_kind(owner: str) -> Json:
    """Return one whose owner of that UID is said to be another kind."""
    found = lie(owner)
    found["metadata"]["ownerReferences"][0]["kind"] = "ReplicaSet"
    return found


def in_a_sandbox(owner: str) -> Json:
    """Return one with a RuntimeClass."""
    found = lie(owner)
    found["spec"]["runtimeClassName"] = "gvisor"
    return found


def that_failed(owner: str) -> Json:
    """Return one whose container ended with an error, and a report as its message."""
    found = lie(owner)
    found["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] = 1
    return found


def of_another_container(owner: str) -> Json:
    """Return one in which another container says so."""
    found = lie(owner)
    found["status"]["initContainerStatuses"][0]["name"] = "sidecar"
    return found


FORGED: list[Callable[[str], Json]] = [
    without_owner,
    not_controlled,
    of_another_kind,
    in_a_sandbox,
    that_failed,
    of_another_container,
    lambda _: lie("uid-that-is-forged"),
    lambda owner: lie(owner, namespace="tenant"),
    lambda owner: lie(owner, NodeFacts(boot_id="b-0", added=True)),
    lambda owner: lie(owner, NodeFacts(added=True)),
    lambda owner: lie(owner, LIE.to_text() + " " * MAX_BYTES),
    lambda owner: lie(owner, "[" * MAX_BYTES),
    lambda owner: lie(owner, '{"version":1,"bootID":"b-1","gpus":{"nvidia":-1}}'),
    # Of an older or a newer version of this program.
    lambda owner: lie(owner, LIE.to_text().replace('"version":1', '"version":0')),
    lambda owner: lie(owner, LIE.to_text().replace('"version":1', '"version":2')),
]


@pytest.mark.parametrize("forged", FORGED)
async def test_a_forged_report_changes_nothing_in_the_live_view(forged: Callable[[str], Json], tmp_path: Path) -> None:
    """It arrives after the true one, and its name is the last."""
    async with FakeApi() as fake:
        fake.put(NODE)
        owner = fake.put(facts_daemon_set())["metadata"]["uid"]
        fake.put(facts_pod("n", TRUE, owner))
        async with watching(fake, tmp_path, resources(["kube-system"], facts_namespace=HOME)) as world:
            await until(lambda: facts_by_node(world.live.view) != {})
            fake.put(forged(owner))
            # What is changed later is seen later.
            fake.put(facts_pod("marker", TRUE, owner))
            await until(lambda: any(pod.node == "marker" for pod in world.live.view.facts_pods.values()))
            assert facts_by_node(world.live.view)["n"].facts == TRUE


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_report_changes_nothing_in_a_file(forged: Callable[[str], Json]) -> None:
    """A file of ``kubectl get pods -A`` has the pods of all namespaces."""
    objects = (NODE, facts_daemon_set(uid=UID), facts_pod("n", TRUE, UID), forged(UID))
    assert facts_by_node(view_of(objects))["n"].facts == TRUE


def test_a_tenants_own_daemon_set_counts_nowhere() -> None:
    """It has the name, the label and pods whose containers end with any message."""
    theirs = (facts_daemon_set("tenant", "theirs"), facts_pod("n", LIE, "theirs", namespace="tenant"))
    assert facts_by_node(view_of((NODE, *theirs))) == {}


@pytest.mark.parametrize(("registered", "counts"), [("elsewhere", True), ("other", False)])
def test_the_registration_names_the_namespace_of_the_reports(registered: str, *, counts: bool) -> None:
    """In a file it says where the webhook is installed; without one the default namespace counts."""
    service = {"service": {"name": "gpu-injector", "namespace": registered}}
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    registration = {**head, "metadata": {"name": "gpu-injector"}, "webhooks": [{"clientConfig": service}]}
    found = (facts_daemon_set("elsewhere", UID), facts_pod("n", TRUE, UID, namespace="elsewhere"))
    assert bool(facts_by_node(view_of((NODE, *found, registration)))) is counts


def test_of_two_pods_on_a_node_the_newer_one_counts() -> None:
    """During a rollout the one before is still there, whatever its name is."""
    newer = facts_pod("n", TRUE, UID, name="a")
    newer["metadata"]["creationTimestamp"] = "2026-11-27T11:00:00Z"
    older = facts_pod("n", NodeFacts(boot_id="b-1"), UID, name="b")
    for pods in ((newer, older), (older, newer)):
        assert facts_by_node(view_of((NODE, facts_daemon_set(uid=UID), *pods)))["n"].facts == TRUE
    newer["status"] = {"phase": "Pending"}
    found = facts_by_node(view_of((NODE, facts_daemon_set(uid=UID), older, newer)))
    assert found["n"].facts == NodeFacts(boot_id="b-1")


@pytest.mark.parametrize("boot_id", ["", "b-2"])
def test_a_node_that_was_created_again_gets_no_facts_of_the_one_before(boot_id: str) -> None:
    """It has the same name and another boot ID, or shows none."""
    node = {**NODE, "status": {"nodeInfo": {"bootID": boot_id}}}
    objects = (node, facts_daemon_set(uid=UID), facts_pod("n", NodeFacts(boot_id=boot_id and "b-1"), UID))
    assert facts_by_node(view_of(objects)) == {}


MESSAGE = "nvidia-container-cli: nvml error: driver not loaded"
FAILED: Json = {
    "exitCode": 128,
    "reason": "StartError",
    "message": "nvidia-container-cli: nvml error: driver not loaded",
}


@pytest.mark.parametrize(
    ("state", "fails"),
    [
        ({"waiting": {"reason": "CrashLoopBackOff"}}, True),
        ({"terminated": FAILED}, True),
        ({"running": {}}, False),
        ({"terminated": {"exitCode": 0, "message": TRUE.to_text()}}, False),
    ],
)
def test_a_failure_before_a_start_that_worked_is_past(state: Json, *, fails: bool) -> None:
    """The driver was repaired, or another runtime is the default now; the status keeps how the last run ended."""
    pod = facts_pod("n", TRUE, UID)
    pod["status"] = {"initContainerStatuses": [{"name": "report", "state": state, "lastState": {"terminated": FAILED}}]}
    assert bool(project_facts_pod(pod).failure) is fails


def test_a_pod_without_a_report_says_nothing() -> None:
    """Its containers run, or were never started."""
    pod = facts_pod("n", TRUE, UID)
    pod["status"] = {**report_status(""), "containerStatuses": [{"name": "follow", "state": {"running": {}}}]}
    objects = (NODE, facts_daemon_set(uid=UID), pod)
    assert facts_by_node(view_of(objects)).get("n", NO_FACTS) == NO_FACTS
