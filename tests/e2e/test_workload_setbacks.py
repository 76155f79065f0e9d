"""Events keep a patch that failed from being repeated: in their own namespace, also if they are false, and in no other.

API server, controllers and RBAC are real; each test has two new namespaces, of which one user may edit one.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from e2e.commands import gpu_injector
from e2e.control_plane import ControlPlane, wait_for_namespace
from e2e.gpu_nodes import POOLS, gpu_nodes
from e2e.installation import NAME, Webhook, running_webhook
from e2e.kubectl import Kubectl, as_list
from e2e.namespaces import INJECT
from e2e.pods import decision_of, dry_run
from e2e.processes import until
from e2e.refusals import deployment, events_of, no_host_path, pods_of
from e2e.service_accounts import account_with_role
from e2e.situations import INJECTED, MOUNTED, on

MALLORY = "mallory"
SETBACK = "leave/setback"
# The API server's controllers wait longer after each refusal; what the webhook has looked up counts for 30 s.
RETRY_SECONDS = 150
NO_HANDLER = 'Failed to create pod sandbox: rpc error: no runtime for "nvidia" is configured'
NO_FILE = (
    'MountVolume.SetUp failed for volume "gpu-injector-libcuda-so-1" : hostPath type check failed: '
    "/usr/lib/x86_64-linux-gnu/libcuda.so.1 is not a file"
)


@dataclass(frozen=True, slots=True)
class Tenants:
    """The namespace that a user with the role ``edit`` has, that user's kubectl, and the namespace of another one."""

    own: str
    mallory: Kubectl
    other: str


@pytest.fixture(scope="module")
def webhook(plane: ControlPlane, webhook_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """Run the webhook with a policy by which hostPath is not forbidden for certain: a refusal has to show it."""
    policy = tmp_path_factory.mktemp("policy-") / "policy.json"
    policy.write_text(json.dumps({"hostPathGranted": True}))
    pools = {name: POOLS[name] for name in ("unreported", "mounted", "zz-last")}
    with gpu_nodes(plane.kubectl, pools), running_webhook(plane, webhook_port, "--policy", policy) as running:
        until(lambda: dry_run(plane.kubectl, on("mounted")) == MOUNTED, "the webhook knows the nodes")
        yield running


@pytest.fixture
def tenants(plane: ControlPlane, kubectl: Kubectl, webhook: Webhook) -> Iterator[Tenants]:
    """Have two new namespaces that opted in."""
    assert webhook.process.process.poll() is None
    own, other = (f"team-{secrets.token_hex(4)}" for _ in range(2))
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {INJECT: "enabled"}}}
        for name in (own, other)
    ]
    kubectl.apply(namespaces)
    kubectl.apply(account_with_role(MALLORY, own, "edit"))
    for name in (own, other):
        wait_for_namespace(plane, name)
    yield Tenants(own, Kubectl(kubectl.program, plane.kubeconfig_of(MALLORY, own)), other)
    kubectl.run("delete", "namespace", own, other, "--wait=false")


def event(namespace: str, message: str, reason: str, **about: str) -> dict[str, Any]:
    """Return an Event in a namespace."""
    known = {"kind": "Pod", "namespace": namespace, "name": "model-7c9d-abcde", "uid": "uid-of-a-pod"}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "forged-", "namespace": namespace},
        "involvedObject": known | about,
        "reason": reason,
        "message": message,
        "type": "Warning",
        "source": {"component": "kubelet"},
    }


def with_time(item: dict[str, Any]) -> dict[str, Any]:
    """Return an Event that the API server takes although it is about an object of another namespace."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {**item, "eventTime": now, "reportingComponent": "kubelet", "reportingInstance": "x", "action": "Create"}


def owned(namespace: str, pool: str, uid: str = "uid-of-a-controller") -> dict[str, Any]:
    """Return a pod that names a controller, as anyone may write it."""
    author = on(pool, namespace=namespace)
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "model-7c9d", "uid": uid, "controller": True}
    author["metadata"]["ownerReferences"] = [owner]
    return author


def refused(namespace: str, uid: str = "uid-of-a-controller") -> dict[str, Any]:
    """Return an Event of a controller whose pod was refused."""
    message = 'Error creating: pods is forbidden: admission webhook "x" denied the request: hostPath is not allowed'
    return event(namespace, message, "FailedCreate", kind="ReplicaSet", name="model-7c9d", uid=uid)


Maker = Callable[[str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Forged:
    """An Event, the pod that it would keep from being patched, and what that pod gets otherwise; by namespace."""

    forge: Maker
    author: Maker
    before: str


FORGED: Mapping[str, Forged] = {
    "sandbox": Forged(
        lambda own: event(own, NO_HANDLER, "FailedCreatePodSandBox"),
        lambda place: on("unreported", namespace=place),
        INJECTED,
    ),
    "volume": Forged(
        lambda own: event(own, NO_FILE, "FailedMount"),
        lambda place: on("mounted", namespace=place),
        MOUNTED,
    ),
    "refusal": Forged(refused, lambda place: owned(place, "mounted"), MOUNTED),
    "container": Forged(
        lambda own: event(own, "unresolvable CDI devices nvidia.com/gpu=0", "Failed", name="gpu-abcde"),
        lambda place: on("unreported", namespace=place),
        INJECTED,
    ),
}


@pytest.mark.parametrize("row", FORGED.values(), ids=FORGED)
def test_an_event_counts_in_its_own_namespace_alone(
    kubectl: Kubectl, tenants: Tenants, webhook: Webhook, row: Forged
) -> None:
    """Also one that was forged: its author could break the pods there anyway. It cannot be written elsewhere."""
    tenants.mallory.create(row.forge(tenants.own))
    assert tenants.mallory.attempt_create(row.forge(tenants.other)).code != 0
    assert dry_run(kubectl, row.author(tenants.own)) == SETBACK
    assert dry_run(kubectl, row.author(tenants.other)) == row.before
    kind = "workload-class" if row.before == INJECTED else "workload-mount"
    assert webhook.metric("gpu_injector_setbacks", kind=kind) > 0


@pytest.mark.parametrize("row", FORGED.values(), ids=FORGED)
def test_an_event_about_another_namespace_counts_nowhere(kubectl: Kubectl, tenants: Tenants, row: Forged) -> None:
    """With ``eventTime`` the API server takes an Event about any object; without it does not."""
    item = row.forge(tenants.own)
    item["involvedObject"]["namespace"] = tenants.other
    assert tenants.mallory.attempt_create(item).code != 0
    tenants.mallory.create(with_time(item))
    assert [dry_run(kubectl, row.author(place)) for place in (tenants.own, tenants.other)] == [row.before] * 2


def test_a_refusal_that_a_tenant_provokes_concerns_that_controller_alone(kubectl: Kubectl, tenants: Tenants) -> None:
    """A Deployment whose author chose a class that does not exist: a real Event of the real controller."""
    template = {"metadata": {"labels": {"app": "x"}}, "spec": on("mounted")["spec"] | {"runtimeClassName": "absent"}}
    tenants.mallory.create(deployment(tenants.own, template))
    failed = until(lambda: events_of(kubectl, tenants.own, "FailedCreate"), "the controller is refused")
    assert 'RuntimeClass "absent" not found' in failed[0]["message"]
    assert [dry_run(kubectl, on("mounted", namespace=place)) for place in (tenants.own, tenants.other)] == [MOUNTED] * 2


def test_many_and_large_events_cost_little(plane: ControlPlane, kubectl: Kubectl, tenants: Tenants) -> None:
    """A few pages are read; a page that is too large is not. Other namespaces do not notice."""
    small = [{**event(tenants.own, f"no. {number}", "FailedMount")} for number in range(700)]
    tenants.mallory.run("create", "-f", "-", stdin=as_list(small))
    large = event(tenants.own, NO_HANDLER, "FailedCreatePodSandBox")
    large["metadata"] |= {"generateName": "large-", "annotations": {"x": "y" * 200_000}}
    tenants.mallory.run("create", "-f", "-", stdin=as_list([large] * 4))
    begin = plane.audit_end()
    for pool, word in (("mounted", MOUNTED), ("unreported", INJECTED)):
        assert dry_run(kubectl, on(pool, namespace=tenants.own)) == word
        assert dry_run(kubectl, on(pool, namespace=tenants.other)) == word
    lists = until(lambda: lists_of_events(plane, begin, tenants.own), "the audit log shows them")
    assert len(lists) <= 2 * 3 * 5


def lists_of_events(plane: ControlPlane, begin: int, namespace: str) -> list[str]:
    """Return the webhook's requests for the Events of a namespace since a place in the audit log."""
    return [
        one["requestURI"]
        for one in plane.audit_events(begin)
        if one["user"]["username"].endswith(f":{NAME}")
        and one.get("objectRef", {}).get("resource") == "events"
        and one["objectRef"].get("namespace") == namespace
    ]


def test_a_deployment_whose_patched_pod_is_refused_runs_without_the_patch(kubectl: Kubectl, tenants: Tenants) -> None:
    """A ValidatingAdmissionPolicy rejects our mount: the controller's next try is left alone, and is accepted."""
    limits = no_host_path(tenants.own)
    kubectl.apply(limits)
    try:
        author = on("mounted", namespace=tenants.own)
        until(lambda: dry_run(kubectl, author) is None, "the policy refuses the patched pod")
        template = {"metadata": {"labels": {"app": "x"}}, "spec": author["spec"]}
        tenants.mallory.create(deployment(tenants.own, template))
        failed = until(lambda: events_of(kubectl, tenants.own, "FailedCreate"), "the controller is refused")
        assert "not in this namespace" in failed[0]["message"]
        (created,) = until(lambda: pods_of(kubectl, tenants.own), "a pod is created", seconds=RETRY_SECONDS)
        assert decision_of(created) == SETBACK
        assert not [volume for volume in created["spec"].get("volumes", ()) if "hostPath" in volume]
    finally:
        kubectl.run("delete", "-f", "-", stdin=as_list(limits))


def test_preview_and_why_say_what_resolves_it(kubectl: Kubectl, tenants: Tenants) -> None:
    """With the user's own rights, from the same Events."""
    tenants.mallory.create(event(tenants.own, NO_HANDLER, "FailedCreatePodSandBox"))
    template = {"metadata": {"labels": {"app": "x"}}, "spec": on("unreported")["spec"]}
    author = deployment(tenants.own, template)
    kubectl.create({**author, "spec": {**author["spec"], "replicas": 0}})
    for words in (("why", "deployment/model", "-n", tenants.own), ("preview", "--explain", "-n", tenants.own)):
        printed = gpu_injector(*words, kubeconfig=kubectl.kubeconfig)
        assert "leave/setback" in printed.stdout
        assert "to resolve it: configure the runtime on the node" in printed.stdout
