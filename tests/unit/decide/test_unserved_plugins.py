"""Which plugin pods are blind, and what their like would get now."""

from typing import Any

import pytest
from support.plugin_world import LABELS, NVML, PRESENT, daemon_set, namespace, node, pod_of, runtime_class, view

from webhook.controllers.event_texts import EventText, texts_of
from webhook.decide.plugin.unserved_plugins import unserved_plugins
from webhook.policy.model import Bootstrap, Policy

CHART = {"app.kubernetes.io/name": "nvidia-device-plugin"}
MOUNT = {"name": "nvidia-device-plugin-ctr", "volumeMounts": [{"name": "nvml", "mountPath": "/lib/libnvidia-ml.so.1"}]}
PLUGIN = daemon_set()
DISCOVERY = daemon_set("gfd", labels=CHART, container="gpu-feature-discovery-ctr")
EXPORTER = daemon_set("dcgm", labels={"app.kubernetes.io/name": "dcgm-exporter"}, container="dcgm-exporter")
GPU = node("gpu-1")
PRODUCT = PRESENT | {"nvidia.com/gpu.product": "L4"}


def found(*objects: dict[str, Any], policy: Policy | None = None, age: float = 0.0) -> list[tuple[str, str, bool]]:
    """Return node, decision and whether it can be repaired, of each blind pod."""
    blind = unserved_plugins(view(*objects), policy or Policy(), age)
    return [(item.pod.node, item.decision.word, item.is_repairable) for item in blind]


def with_quantities(capacity: dict[str, str], allocatable: dict[str, str]) -> dict[str, Any]:
    """Return the GPU node with these quantities."""
    changed = node("gpu-1")
    changed["status"] |= {"capacity": capacity, "allocatable": allocatable}
    return changed


def renamed(name: str, gpus: str = "") -> dict[str, Any]:
    """Return a GPU node that offers one more resource."""
    quantities = {name: "4"} | ({"nvidia.com/gpu": gpus} if gpus else {})
    return with_quantities(quantities, quantities)


BLIND = {
    "made without us": ((PLUGIN, GPU, pod_of(PLUGIN, "gpu-1")), "bootstrap/nvml"),
    "crash-looping": ((PLUGIN, GPU, pod_of(PLUGIN, "gpu-1", ready=False)), "bootstrap/nvml"),
    "registered once": ((PLUGIN, node("gpu-1", labels={}, gpus="0"), pod_of(PLUGIN, "gpu-1")), "bootstrap/nvml"),
    "handler proven": (
        (runtime_class(), PLUGIN, node("gpu-1", handlers=["nvidia"]), pod_of(PLUGIN, "gpu-1")),
        "bootstrap/runtime-class",
    ),
    "only network cards": ((PLUGIN, renamed("nvidia.com/hostdev"), pod_of(PLUGIN, "gpu-1")), "bootstrap/nvml"),
    "no evidence": ((PLUGIN, node("cpu-1", labels={}), pod_of(PLUGIN, "cpu-1")), "leave/no-gpu-evidence"),
    "its template selects GPU nodes": (
        (
            selecting := daemon_set(nodeSelector={"nvidia.com/gpu": "yes"}),
            node("gpu-1", labels={}),
            pod_of(selecting, "gpu-1"),
        ),
        "bootstrap/nvml",
    ),
    "template repaired since": (
        (daemon_set(runtimeClassName="nvidia"), GPU, pod_of(PLUGIN, "gpu-1")),
        "leave/author-chose",
    ),
    "feature discovery": ((DISCOVERY, GPU, pod_of(DISCOVERY, "gpu-1")), "bootstrap/nvml"),
    "exporter": ((EXPORTER, GPU, pod_of(EXPORTER, "gpu-1", ready=False)), "bootstrap/nvml"),
}


@pytest.mark.parametrize(("objects", "word"), BLIND.values(), ids=BLIND)
def test_a_pod_that_finds_no_gpu_is_blind(objects: tuple[dict[str, Any], ...], word: str) -> None:
    """With what the DaemonSet's next pod on that node would get."""
    assert [(decided, repairable) for _, decided, repairable in found(*objects)] == [
        (word, word.startswith("bootstrap/"))
    ]


SEEING = {
    "offers a GPU": (PLUGIN, node("gpu-1", gpus="2"), pod_of(PLUGIN, "gpu-1")),
    "its GPU is unhealthy": (
        PLUGIN,
        with_quantities({"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "0"}),
        pod_of(PLUGIN, "gpu-1"),
    ),
    "renamed": (PLUGIN, renamed("nvidia.com/gpu-small"), pod_of(PLUGIN, "gpu-1")),
    "renamed, the old name is left": (PLUGIN, renamed("nvidia.com/gpu-small", gpus="0"), pod_of(PLUGIN, "gpu-1")),
    "renamed to anything": (PLUGIN, renamed("nvidia.com/team-a"), pod_of(PLUGIN, "gpu-1")),
    "another plugin shares the GPU": (PLUGIN, renamed("volcano.sh/vgpu-number"), pod_of(PLUGIN, "gpu-1")),
    "has the library": (PLUGIN, GPU, pod_of(PLUGIN, "gpu-1", containers=[MOUNT], volumes=[NVML])),
    "has the class": (PLUGIN, GPU, pod_of(PLUGIN, "gpu-1", runtimeClassName="nvidia")),
    "starts": (PLUGIN, GPU, pod_of(PLUGIN, "gpu-1", phase="Pending")),
    "its DaemonSet is gone": (GPU, pod_of(PLUGIN, "gpu-1")),
    "its node is gone": (PLUGIN, pod_of(PLUGIN, "gpu-1")),
    "another namespace": (
        elsewhere := daemon_set(namespace="tenant"),
        namespace("tenant"),
        GPU,
        pod_of(elsewhere, "gpu-1"),
    ),
    "feature discovery": (DISCOVERY, node("gpu-1", labels=PRODUCT), pod_of(DISCOVERY, "gpu-1")),
    "exporter": (EXPORTER, GPU, pod_of(EXPORTER, "gpu-1")),
}


@pytest.mark.parametrize("objects", SEEING.values(), ids=SEEING)
def test_any_other_pod_is_not(objects: tuple[dict[str, Any], ...]) -> None:
    """It finds its GPU, has what we would give, does not run yet, or is not trusted."""
    assert found(*objects) == []


def test_a_pod_that_is_being_deleted_is_not() -> None:
    """What was evicted is not evicted again while it ends."""
    ending = pod_of(PLUGIN, "gpu-1")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert found(PLUGIN, GPU, ending) == []


@pytest.mark.parametrize(
    ("policy", "labels"),
    [(Policy(dry_run=True), {}), (Policy(), {"gpu-injector.io/inject": "dry-run"})],
    ids=["policy", "namespace"],
)
def test_nothing_is_repaired_in_dry_run(policy: Policy, labels: dict[str, str]) -> None:
    """The next pod would be as blind."""
    objects = (PLUGIN, GPU, pod_of(PLUGIN, "gpu-1"), namespace(**labels))
    assert found(*objects, policy=policy) == [("gpu-1", "bootstrap/nvml", False)]
    assert not list(texts_of(unserved_plugins(view(*objects), policy, 0), policy))


def notes(*objects: dict[str, Any], policy: Policy | None = None, age: float = 0.0) -> list[EventText]:
    """Return what would be told."""
    asked = policy or Policy()
    return list(texts_of(unserved_plugins(view(*objects), asked, age), asked))


def test_a_blind_pod_is_told_with_the_line_that_repairs_it() -> None:
    """On its DaemonSet, as a warning."""
    (note,) = notes(PLUGIN, GPU, pod_of(PLUGIN, "gpu-1"))
    assert (note.reason, note.is_warning, set(note.nodes)) == ("BlindPluginPod", True, {"gpu-1"})
    assert note.text == (
        "plugin pods that were created without gpu-injector find no GPU (nodes: gpu-1). "
        "To re-create them: kubectl -n kube-system rollout restart daemonset/nvidia-device-plugin-daemonset"
    )


def test_a_node_without_evidence_is_told_with_its_label_line() -> None:
    """A line for each node, since only a person knows which of them have a GPU; many are cut short."""
    names = [f"ip-10-0-12-{number}.eu-central-1.compute.internal" for number in range(10, 17)]
    (note,) = notes(PLUGIN, *(node(name, labels={}) for name in names), *(pod_of(PLUGIN, name) for name in names))
    assert (note.reason, note.is_warning, len(note.nodes)) == ("NoGpuEvidence", False, 7)
    assert note.text.startswith("nothing shows a GPU on 7 of its nodes. Where there is one: ")
    assert all(f"kubectl label node {name} nvidia.com/gpu.present=true; " in note.text for name in names[:5])
    assert note.text.endswith(
        "; and 2 more. Then: kubectl -n kube-system rollout restart daemonset/nvidia-device-plugin-daemonset"
    )


def test_evictions_are_promised_where_they_happen() -> None:
    """With `repair: evict` no manual restart is needed."""
    evict = Policy(bootstrap=Bootstrap(repair="evict"))
    (note,) = notes(PLUGIN, GPU, pod_of(PLUGIN, "gpu-1"), policy=evict)
    assert note.text.endswith(" The pods are evicted one at a time.")


def test_other_warnings_are_told_as_they_are() -> None:
    """A privileged pod of another namespace needs that namespace's label."""
    own = Policy(bootstrap=Bootstrap(namespaces=("gpu",)))
    owner = daemon_set(namespace="gpu")
    (note,) = notes(owner, GPU, pod_of(owner, "gpu-1"), namespace("gpu"), policy=own)
    assert note.reason == "PodSecurity"
    label = "pod-security.kubernetes.io/enforce=privileged"
    assert note.text.startswith(f"the plugin must be privileged: label the namespace {label} (nodes: gpu-1). Then: ")


@pytest.mark.parametrize(
    "objects",
    [
        (quiet := daemon_set(labels=LABELS | {"gpu-injector.io/inject": "disabled"}), GPU, pod_of(quiet, "gpu-1")),
        (PLUGIN, GPU, pod_of(PLUGIN, "gpu-1"), namespace(**{"gpu-injector.io/inject": "disabled"})),
    ],
    ids=["pod opted out", "namespace opted out"],
)
def test_what_is_left_alone_on_purpose_is_no_news(objects: tuple[dict[str, Any], ...]) -> None:
    """An administrator decided so."""
    assert notes(*objects) == []


def test_a_stale_view_is_no_news() -> None:
    """It says nothing of the pod."""
    objects = (runtime_class(), PLUGIN, node("gpu-1", handlers=["nvidia"]), pod_of(PLUGIN, "gpu-1"))
    assert found(*objects, age=91.0) == [("gpu-1", "leave/view-stale", False)]
    assert notes(*objects, age=91.0) == []
