"""Generators of pods: GPU pods of every shape that the API server lets through, and any JSON at all."""

from typing import Any

from hypothesis import strategies as st

from webhook.view.view import ClusterView, RuntimeClass

RESOURCES = st.sampled_from(["nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-1g.5gb"])
POSITIVE = st.sampled_from(["1", 1, "2", "1k", "3"])
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8)
MISSING = object()

VARIABLES = st.fixed_dictionaries(
    {"name": st.sampled_from(["PORT", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"]) | NAMES, "value": NAMES}
)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy that may also give null, or leave the field away."""
    return st.just(MISSING) | st.none() | strategy


def fields(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with these fields, some of them missing."""
    return st.fixed_dictionaries(strategies).map(
        lambda item: {key: value for key, value in item.items() if value is not MISSING}
    )


def containers(quantities: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return containers whose limits are as told."""
    return fields(
        name=NAMES,
        resources=fields(limits=quantities, requests=st.none() | st.just(MISSING)),
        env=optional(st.lists(VARIABLES, max_size=3)),
        envFrom=optional(st.lists(fields(configMapRef=fields(name=NAMES)), max_size=1)),
        volumeMounts=optional(st.lists(fields(name=NAMES, mountPath=st.just("/data")), max_size=2)),
        futureField=optional(st.integers()),
    )


CPU_CONTAINERS = containers(st.just({"cpu": "1"}) | st.just({}) | st.just({"nvidia.com/gpu": "0"}))
GPU_CONTAINERS = containers(st.builds(lambda name, quantity: {name: quantity}, RESOURCES, POSITIVE))


@st.composite
def gpu_pods(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a pod in which at least one container, somewhere, requests a GPU."""
    plain = st.lists(CPU_CONTAINERS, max_size=2)
    before, after = draw(plain), draw(plain)
    asking = [*before, draw(GPU_CONTAINERS), *after]
    other = draw(optional(plain))
    init_asks = draw(st.booleans())
    lists = {"initContainers": asking, "containers": draw(st.lists(CPU_CONTAINERS, min_size=1, max_size=2))}
    if not init_asks:
        lists = {"initContainers": other, "containers": asking}
    spec = draw(
        fields(
            runtimeClassName=st.sampled_from([MISSING, MISSING, None, "", "nvidia", "kata"]),
            hostUsers=st.sampled_from([MISSING, MISSING, None, True, False]),
            volumes=optional(st.lists(fields(name=NAMES, emptyDir=st.just({})), max_size=2)),
            tolerations=optional(st.lists(fields(key=NAMES, operator=st.just("Exists")), max_size=2)),
            futureSpec=optional(st.integers()),
        )
    )
    metadata = draw(
        fields(
            name=NAMES,
            labels=optional(st.dictionaries(NAMES, NAMES, max_size=2)),
            annotations=optional(st.dictionaries(NAMES, NAMES, max_size=2)),
        )
    )
    spec |= {key: value for key, value in lists.items() if value is not MISSING}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


@st.composite
def spoilt(draw: st.DrawFn, documents: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Draw a document in which one place, however deep, holds any JSON instead of what belongs there."""
    document = draw(documents)
    place: dict[Any, Any] | list[Any] = document
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        child = place[key]
        if not isinstance(child, dict | list) or not child or draw(st.booleans()):
            place[key] = draw(JSON)
            return document
        place = child


def odd_pods() -> st.SearchStrategy[dict[str, Any]]:
    """Return GPU pods with something odd in one place."""
    return spoilt(gpu_pods())


VIEWS = st.builds(
    ClusterView,
    runtime_classes=st.sampled_from([None, {}, {"nvidia": RuntimeClass("nvidia", "nvidia")}]),
    namespaces=st.sampled_from(
        [{"ml": {"gpu-injector.io/inject": setting}} for setting in ("enabled", "enabled", "dry-run", "disabled")]
        + [{"ml": {}}, {}, None]
    ),
)
