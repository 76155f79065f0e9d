"""Pods and objects that grow in one dimension: each function takes a size, and returns what a review carries."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = dict[str, Any]
Grow = Callable[[int], Json]

GPU = {"nvidia.com/gpu": "1"}
AFFINITY = "requiredDuringSchedulingIgnoredDuringExecution"
# Labels that the nodes of the hostile view have, one of them with another value on each node.
LABELS, HOSTNAME, NUMBER = [f"example.com/label-{number}" for number in range(70)], "kubernetes.io/hostname", "rank"


def pod(containers: Iterable[Json] | None = None, /, metadata: Json | None = None, **spec: object) -> Json:
    """Return a GPU pod."""
    listed = list(containers) if containers is not None else [gpu_container()]
    return {"metadata": {"name": "pod", **(metadata or {})}, "spec": {"containers": listed, **spec}}


def gpu_container(name: str = "main", **fields: object) -> Json:
    """Return a container that requests a GPU."""
    return {"name": name, "resources": {"limits": GPU}, **fields}


def _affinity(terms: list[Json]) -> Json:
    return pod(affinity={"nodeAffinity": {AFFINITY: {"nodeSelectorTerms": terms}}})


def _expression(operator: str, values: list[str], key: str = HOSTNAME) -> Json:
    return {"key": key, "operator": operator, "values": values}


def _words(size: int, prefix: str = "v") -> list[str]:
    return [f"{prefix}{number}" for number in range(size)]


def _map(size: int, prefix: str = "k") -> Json:
    return dict.fromkeys(_words(size, prefix), "")


def _one_expression(operator: str, key: str = HOSTNAME) -> Grow:
    return lambda size: _affinity([{"matchExpressions": [_expression(operator, _words(size), key)]}])


def _expressions(operator: str, keys: list[str], values: int) -> Grow:
    """Return one term with so many expressions, over keys that nodes have."""

    def grow(size: int) -> Json:
        wanted = [_expression(operator, [str(number)] * values, keys[number % len(keys)]) for number in range(size)]
        return _affinity([{"matchExpressions": wanted}])

    return grow


def _fields(operator: str) -> Grow:
    return lambda size: _affinity([{"matchFields": [_expression(operator, ["a"], "metadata.name")] * size}])


def _volumes(size: int) -> list[Json]:
    return [{"name": f"v{number}", "hostPath": {"path": f"/srv/{number}"}} for number in range(size)]


def _taken_names(size: int) -> Json:
    stem = "gpu-injector-libcuda-so-1"
    return pod(volumes=[{"name": stem if number < 2 else f"{stem}-{number}"} for number in range(1, size)])


def _crowd(count: int, fields: Callable[[int], Json]) -> Grow:
    """Return so many GPU containers, each of which grows."""
    return lambda size: pod([gpu_container(f"c{number}", **fields(size)) for number in range(count)])


def _mounts(size: int) -> list[Json]:
    return [{"name": "v0", "mountPath": f"/m/{number}"} for number in range(size)]


def _injected(size: int) -> Json:
    found = pod(metadata={"annotations": {"gpu-injector.io/decision": "inject/runtime-class"}})
    found["spec"] |= {"runtimeClassName": "nvidia", "ephemeralContainers": [{"name": f"e{n}"} for n in range(size)]}
    return found


def _deployment(template: Json) -> Json:
    return {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": template}}


def _templates(size: int) -> Json:
    return {"kind": "Many", "metadata": {"name": "m"}, "spec": {f"t{number}": pod() for number in range(size)}}


def nested(levels: int, within: str = "x") -> Json:
    """Return a pod with lists in one another below a field of its spec."""
    fields: Json = {within: "@"}
    text = json.dumps(pod(**fields))
    deep: Json = json.loads(text.replace('"@"', "[" * levels + "]" * levels)) if levels < 900 else json.loads(text)
    return deep


WORKLOADS: Mapping[str, Grow] = {
    "a quantity of many digits": lambda n: pod(
        [gpu_container() | {"resources": {"limits": {"nvidia.com/gpu": "1" * n + "x"}}}]
    ),
    "a quantity of many zeros": lambda n: pod(
        [gpu_container() | {"resources": {"limits": {"nvidia.com/gpu": "0" * n}}}]
    ),
    "a quantity with a long exponent": lambda n: pod([{"resources": {"limits": {"nvidia.com/gpu": "1e" + "9" * n}}}]),
    "many GPU resources": lambda n: pod([{"resources": {"limits": {f"nvidia.com/mig-{i}": "1" for i in range(n)}}}]),
    "many other resources": lambda n: pod([{"resources": {"limits": _map(n)}}, gpu_container()]),
    "a long pod name": lambda n: pod(metadata={"name": "n" * n}),
    "a pod name of escapes": lambda n: pod(metadata={"name": "\u202e" * n}),
    "a long container name": lambda n: pod([gpu_container("n" * n, volumeMounts=[])]),
    "a name that is a list": lambda n: pod([gpu_container() | {"name": [[]] * n}]),
    "many owners": lambda n: pod(metadata={"ownerReferences": [{"kind": "k", "name": "n"}] * n}),
    "a long owner": lambda n: pod(metadata={"ownerReferences": [{"kind": "k" * n, "name": "n", "controller": True}]}),
    "many annotations": lambda n: pod(metadata={"annotations": _map(n)}),
    "a long annotation": lambda n: pod(metadata={"annotations": {"a": "v" * n}}),
    "many labels": lambda n: pod(metadata={"labels": _map(n)}),
    "empty containers": lambda n: pod([gpu_container(), *({} for _ in range(n))]),
    "GPU containers": lambda n: pod(gpu_container(f"c{number}") for number in range(n)),
    "containers without a GPU": lambda n: pod([gpu_container(), *({"name": f"c{i}"} for i in range(n))]),
    "init containers": lambda n: pod(initContainers=[gpu_container(f"c{number}") for number in range(n)]),
    "variables in one container": lambda n: pod([gpu_container(env=[{"name": f"V{i}"} for i in range(n)])]),
    "variables in 250 containers": _crowd(250, lambda n: {"env": [{"name": f"V{i}"} for i in range(n)]}),
    "mounts in one container": lambda n: pod([gpu_container(volumeMounts=_mounts(n))], volumes=_volumes(1)),
    "mounts in 250 containers": _crowd(250, lambda n: {"volumeMounts": _mounts(n)}),
    "a mount of many levels": lambda n: pod([gpu_container(volumeMounts=[{"name": "v", "mountPath": "/a" * n}])]),
    "volumes": lambda n: pod(volumes=_volumes(n)),
    "1,000 volumes, and containers that mount each": lambda n: pod(
        [gpu_container(f"c{i}", volumeMounts=[{"name": f"v{i}", "mountPath": "/m"}]) for i in range(n)],
        volumes=_volumes(1000),
    ),
    "volumes that have the names of ours": _taken_names,
    "tolerations": lambda n: pod(tolerations=[{"key": f"k{i}", "operator": "Exists"} for i in range(n)]),
    "keys of nodeSelector": lambda n: pod(nodeSelector=_map(n)),
    "a long nodeSelector": lambda n: pod(nodeSelector={"k" * n: "v" * n}),
    "values of one expression with In": _one_expression("In"),
    "values of one expression with NotIn": _one_expression("NotIn"),
    "values of one expression with Exists": _one_expression("Exists"),
    "values of one expression with Gt": _one_expression("Gt"),
    "expressions with Exists": _expressions("Exists", [HOSTNAME], 0),
    "expressions with DoesNotExist": _expressions("DoesNotExist", [HOSTNAME], 0),
    "expressions with Gt": _expressions("Gt", [NUMBER], 1),
    "expressions with Lt over every label": _expressions("Lt", [NUMBER, HOSTNAME, *LABELS], 1),
    "expressions with an unknown operator": _expressions("Like", [HOSTNAME], 1),
    "expressions over every label": _expressions("In", LABELS, 1),
    "expressions over unknown labels": lambda n: _affinity(
        [{"matchExpressions": [_expression("In", ["a"], f"u{i}") for i in range(n)]}]
    ),
    "terms": lambda n: _affinity([{"matchExpressions": [_expression("In", ["a"], LABELS[i % 70])]} for i in range(n)]),
    "empty terms": lambda n: _affinity([{} for _ in range(n)]),
    "matchFields with In": _fields("In"),
    "matchFields with Exists": _fields("Exists"),
    "matchFields with NotIn": _fields("NotIn"),
    "lists in one another": lambda n: nested(min(n, 899)),
    "empty lists, wide": lambda n: pod(x=[[]] * n),
    "empty objects, wide": lambda n: pod(x=[{}] * n),
    "lists of lists": lambda n: pod(x=[[[]]] * n),
    "small objects": lambda n: pod(x=[{"": 0}] * n),
    "numbers": lambda n: pod(x=[1] * n),
    "fractions": lambda n: pod(x=[1.5e300] * n),
    "short texts": lambda n: pod(x=["a"] * n),
    "keys of one object": lambda n: pod(x=_map(n)),
    "keys that are long": lambda n: pod(x={f"{'k' * 60}{number}": 0 for number in range(n)}),
    "a text of escapes": lambda n: pod(x="\x01" * n),
    "a text of surrogates": lambda n: pod(x="\U0001f600" * n),
    "managed fields": lambda n: pod(metadata={"managedFields": [{"fieldsV1": _map(n, "f:")}]}),
}
EPHEMERAL: Mapping[str, Grow] = {"ephemeral containers": _injected}
TEMPLATES: Mapping[str, Grow] = {
    "a template of many containers": lambda n: _deployment(pod(gpu_container(f"c{i}") for i in range(n))),
    "a template of many volumes": lambda n: _deployment(pod(volumes=_volumes(n))),
    "templates in one object": _templates,
    "an object without a template": lambda n: {"kind": "None", "spec": {f"k{i}": {} for i in range(n)}},
    "a template that is nested": lambda n: _deployment(nested(min(n, 899))),
}
PLUGIN_LABELS = {"app.kubernetes.io/name": "nvidia-device-plugin"}
BOOTSTRAP: Mapping[str, Grow] = {
    "a plugin of many arguments": lambda n: pod([{"name": "c", "args": _words(n)}], metadata={"labels": PLUGIN_LABELS}),
    "a plugin of many containers": lambda n: pod(
        [{"name": f"c{i}"} for i in range(n)], metadata={"labels": PLUGIN_LABELS}
    ),
    "a plugin of many labels": lambda n: pod(metadata={"labels": {**_map(n), **PLUGIN_LABELS}}),
}
