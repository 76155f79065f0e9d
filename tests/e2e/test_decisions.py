"""Every decision that the cluster's state leads to, as a user of kubectl sees it; and the same offline."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from e2e.gpu_nodes import NVIDIA, POOL_LABEL, POOLS, gpu_nodes, runtime_handlers
from e2e.installation import Webhook
from e2e.kubectl import Kubectl, Manifest
from e2e.namespaces import DRY_RUN, ENABLED, INJECT
from e2e.offline import preview
from e2e.pods import as_written, assert_warned, container, decision_of, pod, runtime_class_of
from e2e.processes import until
from e2e.situations import BASELINE, CLASSES, NAMESPACES, SITUATIONS, Situation, on

pytestmark = pytest.mark.usefixtures("cluster")

Offline = Mapping[str, Mapping[str, Any]]

EVERY = [(state, name) for state, situations in SITUATIONS.items() for name in situations]
each_situation = pytest.mark.parametrize(
    ("runtime_class", "name"), EVERY, ids=[" - ".join(one) for one in EVERY], indirect=["runtime_class"], scope="module"
)


def in_state(state: str) -> pytest.MarkDecorator:
    """Run a test with RuntimeClass nvidia in one state."""
    return pytest.mark.parametrize("runtime_class", [state], indirect=True, scope="module")


@pytest.fixture(scope="module")
def cluster(kubectl: Kubectl, webhook: Webhook) -> Iterator[Webhook]:
    """Have every kind of GPU node; the webhook knows them all when the tests begin."""
    kubectl.apply(NAMESPACES)
    for namespace in NAMESPACES:
        name = namespace["metadata"]["name"]
        until(partial(kubectl.succeeds, "get", "serviceaccount/default", "-n", name), f"{name} is ready")
    with gpu_nodes(kubectl, POOLS):
        wait_for(kubectl, on("zz-last"), "leave/platform-provides")
        yield webhook


@pytest.fixture(scope="module")
def runtime_class(request: pytest.FixtureRequest, kubectl: Kubectl, cluster: Webhook) -> Iterator[str]:  # noqa: ARG001
    """Have RuntimeClass nvidia in the state that a test names, and the webhook know it."""
    state: str = request.param
    put_runtime_class(kubectl, state)
    yield state
    put_runtime_class(kubectl, "own")


@pytest.fixture(scope="module")
def offline(kubectl: Kubectl, runtime_class: str, tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """Return what ``preview`` says about each pod, by the situation's name, from a dump of this cluster."""
    situations = SITUATIONS[runtime_class]
    rows = preview(kubectl, tmp_path_factory.mktemp("offline"), [one.pod for one in situations.values()])
    return dict(zip(situations, rows, strict=True))


def put_runtime_class(kubectl: Kubectl, state: str) -> None:
    """Set the state of RuntimeClass nvidia, and wait until the webhook decides by it."""
    wanted = CLASSES[state]
    if wanted is None:
        kubectl.run("delete", "runtimeclass", "nvidia")
    else:
        kubectl.apply([wanted])
    # The last situation of each state is one that no other state leads to.
    *_, probe = SITUATIONS[state].values()
    wait_for(kubectl, probe.pod, probe.word)


def wait_for(kubectl: Kubectl, author: Manifest, word: str) -> None:
    """Wait until a pod would get a decision."""
    words: list[str | None] = []

    def decided() -> bool:
        shown = kubectl.attempt_create(author, "--dry-run=server")
        words[:] = [decision_of(shown.object) if shown.code == 0 else shown.stderr]
        return words == [word]

    try:
        until(decided, word)
    except TimeoutError as error:
        raise TimeoutError(f"{author['spec'].get('nodeSelector')}: {words[0]} and not {word}") from error


@each_situation
def test_a_decision_is_what_the_cluster_calls_for(kubectl: Kubectl, runtime_class: str, name: str) -> None:
    """The pod is created in every case, with the decision as annotation; whatever needs attention is a warning."""
    expected = SITUATIONS[runtime_class][name]
    created = kubectl.create(expected.pod)
    assert decision_of(created.object) == expected.word
    assert_warned(created.warnings, expected.warning)
    assert_as_decided(kubectl, expected, created.object)


def assert_as_decided(kubectl: Kubectl, expected: Situation, created: Mapping[str, Any]) -> None:
    """Assert that a pod has the class, the libraries, or nothing that its author did not write."""
    verdict = expected.word.partition("/")[0]
    assert runtime_class_of(created) == ("nvidia" if verdict == "inject" else None)
    assert bool(library_volumes(created)) == (verdict == "mount")
    if verdict == "leave":
        assert created["spec"] == as_written(kubectl, expected.pod)


@each_situation
def test_offline_the_decision_is_the_same(kubectl: Kubectl, runtime_class: str, offline: Offline, name: str) -> None:
    """Decision, warning and the pod itself: what preview shows, completed by the API server, is what was created."""
    created = kubectl.create(SITUATIONS[runtime_class][name].pod)
    row = offline[name]
    assert f"{row['verdict']}/{row['reason']}" == decision_of(created.object)
    assert [one["message"] for one in row["warnings"]] == created.warnings
    assert as_written(kubectl, row["patched"]) == created.object["spec"]


@in_state("own")
@pytest.mark.parametrize(
    ("pool", "directory"), [("mounted", "/usr/lib/x86_64-linux-gnu"), ("mounted-rocky", "/usr/lib64")]
)
def test_libraries_are_mounted_as_single_files(kubectl: Kubectl, runtime_class: str, pool: str, directory: str) -> None:
    """Read-only, from where the node's system keeps them, into the GPU container alone."""
    assert runtime_class == "own"
    created = kubectl.create(on(pool, container("model", gpus=1), container("web"))).object
    names = ("libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1")
    assert sorted(library_volumes(created)) == [(f"{directory}/{name}", "File") for name in names]
    places = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/nvidia/lib64")
    model, web = created["spec"]["containers"]
    mounts = [(mount["mountPath"], mount.get("readOnly")) for mount in model["volumeMounts"]]
    assert sorted(mounts) == sorted((f"{place}/{name}", True) for place in places for name in names)
    assert "volumeMounts" not in web


def library_volumes(created: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Return path and type of the host's files that a pod mounts."""
    volumes = created["spec"].get("volumes", [])
    return [(one["hostPath"]["path"], one["hostPath"]["type"]) for one in volumes if "hostPath" in one]


@in_state("own")
def test_a_dry_run_namespace_is_told_of_the_mounts(kubectl: Kubectl, runtime_class: str) -> None:
    """The author reads what would be mounted and why; nothing is."""
    assert runtime_class == "own"
    author = on("mounted", namespace=DRY_RUN)
    created = kubectl.create(author)
    assert created.object["spec"] == as_written(kubectl, author)
    assert_warned(created.warnings, "would mount the driver's libraries (handler-missing)")


HOST_FILE = {"name": "nvml", "hostPath": {"path": "/usr/lib64/libnvidia-ml.so.1", "type": "File"}}
OURS_OFF = {INJECT: "disabled"}
# What our pod would have been, had we not looked: the situation that it belongs to, and the API server's refusal.
REFUSED = [
    ("absent", "handler proven", pod(ENABLED, labels=OURS_OFF, runtimeClassName="nvidia"), "not found"),
    (
        "scheduling",
        "another value",
        {**SITUATIONS["scheduling"]["another value"].pod, "metadata": pod(ENABLED, labels=OURS_OFF)["metadata"]},
        "conflict",
    ),
    ("own", "baseline", pod(BASELINE, labels=OURS_OFF, volumes=[HOST_FILE]), "violates PodSecurity"),
]


@pytest.mark.parametrize(
    ("runtime_class", "name", "patched", "refusal"),
    REFUSED,
    ids=[row[0] for row in REFUSED],
    indirect=["runtime_class"],
    scope="module",
)
def test_a_pod_that_our_patch_would_get_rejected_is_created(
    kubectl: Kubectl, runtime_class: str, name: str, patched: dict[str, Any], refusal: str
) -> None:
    """The API server does refuse the pod with the patch; without, it is stored."""
    if runtime_class == "scheduling":
        patched = {**patched, "spec": {**patched["spec"], "runtimeClassName": "nvidia"}}
    refused = kubectl.attempt_create(patched, "--dry-run=server")
    assert refused.code != 0
    assert refusal in refused.stderr
    created = kubectl.create(SITUATIONS[runtime_class][name].pod).object["metadata"]
    assert kubectl.exists("pod", created["name"], "--namespace", created["namespace"])


@in_state("distribution")
def test_a_node_that_learns_the_handler_changes_the_decision(kubectl: Kubectl, runtime_class: str) -> None:
    """Its kubelet reports the handler after containerd was configured: the next pod gets the class."""
    assert runtime_class == "distribution"
    kubectl.run("create", "-f", "-", stdin=json.dumps(learning_node()))
    kubectl.run("taint", "nodes", "learning", "node.kubernetes.io/not-ready:NoSchedule-")
    wait_for(kubectl, on("learning"), "leave/handler-unknown")
    learned = json.dumps({"status": {"runtimeHandlers": runtime_handlers(NVIDIA)}})
    kubectl.run("patch", "node", "learning", "--subresource=status", "--type=merge", "--patch", learned)
    wait_for(kubectl, on("learning"), "inject/runtime-class")


def learning_node() -> dict[str, Any]:
    """Return a GPU node whose kubelet reports no handlers."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "learning", "labels": {POOL_LABEL: "learning"}},
        "status": {"allocatable": {"nvidia.com/gpu": "1"}, "capacity": {"nvidia.com/gpu": "1"}},
    }
