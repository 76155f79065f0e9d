"""Which recipe a plugin pod gets: by its version, its node, what was observed, and what failed before."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonpatch
import orjson
import pytest
from support.plugin_world import daemon_set, node, runtime_class, view

from webhook.decide.decision import Decision, RequestInfo
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.plugin.unserved_plugins import CREATOR, next_pod
from webhook.observations.plugin_observation import Observation, ObservationKey, Observations, PluginState
from webhook.observations.setback import Setback, SetbackKey, SetbackKind, Setbacks
from webhook.policy.model import Bootstrap, Policy
from webhook.view.view import ClusterView

Json = dict[str, Any]
FACTS = RequestInfo("kube-system", username=CREATOR)
NAME = "nvidia-device-plugin-daemonset"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HANDLER = ["", "runc", "nvidia"]


def plugin(version: str = "v0.18.2", **container: Any) -> Json:  # noqa: ANN401  fields of a container
    """Return the DaemonSet of a plugin of this version."""
    image = f"nvcr.io/nvidia/k8s-device-plugin:{version}"
    return daemon_set(containers=[{"name": "nvidia-device-plugin-ctr", "image": image, **container}])


def pod_for(cluster: ClusterView, name: str = "gpu-1") -> Json:
    """Return the next pod of the only DaemonSet."""
    (found,) = (cluster.daemon_sets or {}).values()
    pod: Json = orjson.loads(orjson.dumps(next_pod(found, name)))
    return pod


def decided(cluster: ClusterView, recipe: Any = "auto") -> Decision:  # noqa: ANN401  one of the policy's words
    """Return the decision for the next pod of the only DaemonSet on gpu-1."""
    return decide_plugin(pod_for(cluster), FACTS, Policy(bootstrap=Bootstrap(recipe=recipe)), cluster)


def failed(cluster: ClusterView, *recipes: str, boot_id: str | None = None) -> ClusterView:
    """Return the view in which recipes failed on gpu-1."""
    host = (cluster.nodes or {})["gpu-1"]
    entries = {}
    for recipe in recipes:
        key = SetbackKey("kube-system", NAME, "gpu-1", recipe)
        boot = host.boot_id if boot_id is None else boot_id
        hours = timedelta(hours=1)
        entries[key] = Setback(key, SetbackKind.NO_GPU, "no GPU", NOW, NOW + hours, boot_id=boot, host=host.host)
    return replace(cluster, setbacks=Setbacks(entries))


def observed(cluster: ClusterView, state: PluginState, nvml: str = "neither") -> ClusterView:
    """Return the view in which pods of the DaemonSet had a state on such nodes, without our patch."""
    key = ObservationKey("kube-system", NAME, (cluster.nodes or {})["gpu-1"].host, nvml)
    return replace(cluster, observations=Observations({key: Observation(state)}))


PLAIN = view(plugin(), node("gpu-1"))
PROVEN = view(plugin(), node("gpu-1", handlers=HANDLER), runtime_class())
UNPROVEN = view(plugin(), node("gpu-1", handlers=["", "runc"]), runtime_class())


@pytest.mark.parametrize(
    ("version", "cluster_has_class", "word"),
    [
        ("v0.14.5", False, "bootstrap/nvml"),
        ("v0.17.4", False, "bootstrap/driver-root"),
        ("v0.18.2", False, "bootstrap/driver-root"),
        ("v0.19.3", False, "bootstrap/driver-root"),
        ("latest", False, "bootstrap/nvml"),
        ("v0.14.5", True, "bootstrap/runtime-class"),
        ("v0.19.3", True, "bootstrap/runtime-class"),
    ],
)
def test_the_first_recipe_that_fits_is_taken(version: str, word: str, *, cluster_has_class: bool) -> None:
    """The class before the driver root, and that before the file."""
    objects = [runtime_class()] if cluster_has_class else []
    handlers = HANDLER if cluster_has_class else []
    assert decided(view(plugin(version), node("gpu-1", handlers=handlers), *objects)).word == word


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("auto", ("bootstrap/driver-root", "bootstrap/runtime-class")),
        ("runtime-class", ("leave/handler-unknown", "bootstrap/runtime-class")),
        ("driver-root", ("bootstrap/driver-root", "bootstrap/driver-root")),
        ("nvml", ("bootstrap/nvml", "bootstrap/nvml")),
        ("off", ("leave/recipe-off", "leave/recipe-off")),
    ],
)
def test_the_policy_may_allow_one_recipe(recipe: str, words: tuple[str, str]) -> None:
    """On a node without the handler, and on one with it."""
    assert (decided(UNPROVEN, recipe).word, decided(PROVEN, recipe).word) == words


FAILED = {
    "root": (failed(PLAIN, "driver-root"), "bootstrap/nvml"),
    "root and file": (failed(PLAIN, "driver-root", "nvml"), "leave/setback"),
    "file alone": (failed(PLAIN, "nvml"), "bootstrap/driver-root"),
    "class, handler still there": (failed(PROVEN, "runtime-class"), "leave/setback"),
    "class, handler gone": (failed(UNPROVEN, "runtime-class"), "bootstrap/driver-root"),
    "class, before a reboot": (failed(PROVEN, "runtime-class", boot_id="before"), "bootstrap/runtime-class"),
}


@pytest.mark.parametrize(("cluster", "word"), FAILED.values(), ids=FAILED)
def test_a_recipe_that_failed_is_not_repeated(cluster: ClusterView, word: str) -> None:
    """The next one follows, but none with privileges in place of the class on a node that has its handler."""
    assert decided(cluster).word == word


def test_what_the_node_said_is_told() -> None:
    """A person finds the cause without the log."""
    found = decided(failed(PROVEN, "runtime-class"))
    assert found.evidence == ("the recipe runtime-class failed on gpu-1: no GPU",)
    assert found.warnings == ("gpu-injector: runtime-class failed on node gpu-1; pod left alone: no GPU",)


def test_a_failed_root_is_told_where_nothing_follows() -> None:
    """`driver-unknown` would hide that a recipe was tried."""
    strange = node("gpu-1")
    strange["status"]["nodeInfo"]["osImage"] = "Strange Linux 1"
    cluster = failed(view(plugin(), strange), "driver-root")
    assert decided(cluster).word == decided(cluster, "driver-root").word == "leave/setback"


HEALTHY, BLIND = PluginState.HEALTHY, PluginState.BLIND
OBSERVED = {
    "healthy": (observed(PLAIN, HEALTHY), "leave/nvml-provided"),
    "healthy, and the class would work": (observed(PROVEN, HEALTHY), "leave/nvml-provided"),
    "blind": (observed(PLAIN, BLIND), "bootstrap/driver-root"),
    "healthy by a mount": (observed(PLAIN, HEALTHY, "mount"), "bootstrap/driver-root"),
    "healthy, and this node has capacity 0": (
        observed(view(plugin(), node("gpu-1", gpus="0")), HEALTHY),
        "bootstrap/driver-root",
    ),
    "healthy, and this node has capacity": (
        observed(view(plugin(), node("gpu-1", gpus="2")), HEALTHY),
        "leave/nvml-provided",
    ),
}


@pytest.mark.parametrize(("cluster", "word"), OBSERVED.values(), ids=OBSERVED)
def test_what_works_without_a_patch_gets_none(cluster: ClusterView, word: str) -> None:
    """The observation outlives its pod: none is in these views."""
    assert decided(cluster).word == word


@pytest.mark.parametrize(("state", "word"), [(None, "leave/nvml-provided"), (BLIND, "bootstrap/driver-root")])
def test_the_default_runtime_of_the_distribution_counts_until_it_fails(state: PluginState | None, word: str) -> None:
    """k3s says what it was started with, not that it works."""
    item = node("gpu-1")
    item["metadata"]["annotations"] = {"k3s.io/node-args": '["agent","--default-runtime","nvidia"]'}
    cluster = view(plugin(), item)
    assert decided(observed(cluster, state) if state else cluster).word == word


def own_root(version: str) -> Json:
    """Return a plugin with a driver root of its author's."""
    item = plugin(version, volumeMounts=[{"name": "root", "mountPath": "/driver-root"}])
    item["spec"]["template"]["spec"]["volumes"] = [{"name": "root", "hostPath": {"path": "/"}}]
    return item


@pytest.mark.parametrize(
    ("version", "state", "word"),
    [
        ("v0.18.2", BLIND, "leave/nvml-provided"),
        ("latest", None, "leave/nvml-provided"),
        ("latest", BLIND, "bootstrap/nvml"),
        ("v0.14.5", None, "bootstrap/nvml"),
    ],
)
def test_a_driver_root_of_the_author_counts_where_its_plugin_knows_it(
    version: str, state: PluginState | None, word: str
) -> None:
    """A plugin of an unknown version may know it, unless it is blind."""
    cluster = view(own_root(version), node("gpu-1"))
    assert decided(observed(cluster, state, "mount") if state else cluster).word == word


def patched(cluster: ClusterView, recipe: Any = "auto") -> Json:  # noqa: ANN401  one of the policy's words
    """Return the next pod with the API server's defaults, as a second call sees it."""
    operations = orjson.loads(orjson.dumps(decided(cluster, recipe).operations))
    pod: Json = jsonpatch.JsonPatch(operations).apply(pod_for(cluster))
    for volume in pod["spec"].get("volumes", []):
        volume["hostPath"].setdefault("type", "")
    return pod


@pytest.mark.parametrize("version", ["v0.17.4", "v0.18.2", "v0.19.3"])
def test_a_second_call_keeps_the_driver_root(version: str) -> None:
    """Nothing is left to do."""
    cluster = view(plugin(version), node("gpu-1"))
    second = decide_plugin(patched(cluster), FACTS, Policy(), cluster)
    assert (second.word, second.operations) == ("bootstrap/driver-root", ())


def whole_host(pod: Json) -> None:
    """Mount all of the host."""
    pod["spec"]["volumes"][0]["hostPath"]["path"] = "/"


def writable(pod: Json) -> None:
    """Let the plugin write to the host."""
    del pod["spec"]["containers"][0]["volumeMounts"][0]["readOnly"]


def shared(pod: Json) -> None:
    """Let mounts of the container reach the host."""
    pod["spec"]["containers"][0]["volumeMounts"][0]["mountPropagation"] = "Bidirectional"


def no_devices(pod: Json) -> None:
    """Leave the devices away."""
    pod["spec"]["containers"][0]["volumeMounts"].pop()


@pytest.mark.parametrize("change", [whole_host, writable, shared, no_devices], ids=lambda item: item.__name__)
def test_a_pod_with_another_driver_root_is_decided_from_scratch(change: Callable[[Json], None]) -> None:
    """A forged annotation keeps nothing that we would not write."""
    pod = patched(PLAIN)
    change(pod)
    second = decide_plugin(pod, FACTS, Policy(), PLAIN)
    assert second.word == "leave/mount-conflict"
    assert any(line.startswith("changed-since") for line in second.evidence)


def test_the_driver_root_is_usr_and_never_more() -> None:
    """All of the host would pin the volumes of other pods; a type would keep the pod waiting."""
    (container,) = patched(PLAIN)["spec"]["containers"]
    assert container["volumeMounts"][0] == {
        "name": "gpu-injector-driver-root",
        "mountPath": "/driver-root/usr",
        "readOnly": True,
    }
    added = [item["value"] for item in decided(PLAIN).operations if item["path"] == "/spec/volumes"]
    assert added == [
        [
            {"name": "gpu-injector-driver-root", "hostPath": {"path": "/usr"}},
            {"name": "gpu-injector-dev", "hostPath": {"path": "/dev"}},
        ]
    ]


COMPANIONS = {
    "HAMi's monitor": ("vgpu-monitor", "bootstrap/nvml"),
    "feature discovery": ("gpu-feature-discovery", "bootstrap/nvml"),
    "MPS": ("mps-control-daemon-ctr", "leave/nvml-insufficient"),
    "another program": ("nvidia-device-plugin-sidecar", "bootstrap/driver-root"),
}


@pytest.mark.parametrize(("name", "word"), COMPANIONS.values(), ids=COMPANIONS)
def test_each_container_that_needs_nvml_gets_it(name: str, word: str) -> None:
    """Only the device plugin knows a driver root, and only it passes devices."""
    owner = plugin()
    owner["spec"]["template"]["spec"]["containers"].append({"name": name})
    cluster = view(owner, node("gpu-1"))
    found = decided(cluster)
    assert found.word == word
    touched = {operation["path"].split("/")[3] for operation in found.operations if "containers" in operation["path"]}
    assert touched == {"bootstrap/nvml": {"0", "1"}, "bootstrap/driver-root": {"0"}}.get(word, set())
    assert str(found.operations).count("PASS_DEVICE_SPECS") == int(word != "leave/nvml-insufficient")
