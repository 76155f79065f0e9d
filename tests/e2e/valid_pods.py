"""Generated pods that the API server accepts as they are: GPU pods of many shapes, no two lists alike."""

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

GPU = "nvidia.com/gpu"
PATHS = ("/data", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/local/nvidia/lib64/libcuda.so.1", "/cache")
NAMES = st.sampled_from(["PORT", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "LD_LIBRARY_PATH", "A_B"])
VOLUMES: tuple[dict[str, Any], ...] = (
    {"emptyDir": {}},
    {"hostPath": {"path": "/usr/lib/x86_64-linux-gnu/libcuda.so.1"}},
    {"configMap": {"name": "c"}},
)


def _maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def _containers(draw: st.DrawFn, prefix: str, volumes: list[str], least: int) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(least, 3))):
        fields = draw(
            _maybe(
                env=st.lists(st.builds(lambda name: {"name": name, "value": "x"}, NAMES), max_size=3),
                envFrom=st.just([{"secretRef": {"name": "s", "optional": True}}]),
                resources=st.integers(0, 2).map(lambda gpus: {"limits": {GPU: str(gpus), "cpu": "1"}}),
                securityContext=_maybe(
                    runAsNonRoot=st.just(True),
                    allowPrivilegeEscalation=st.just(False),
                    readOnlyRootFilesystem=st.booleans(),
                ),
            )
        )
        paths = draw(st.lists(st.sampled_from(PATHS), unique=True, max_size=2 if volumes else 0))
        mounts = [{"name": draw(st.sampled_from(volumes)), "mountPath": path} for path in paths]
        sidecar = draw(st.sampled_from([{}, {"restartPolicy": "Always"}])) if prefix == "init" else {}
        found.append({"name": f"{prefix}-{number}", "image": "i", **fields, **sidecar, "volumeMounts": mounts})
    return found


@st.composite
def valid_pods(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a pod that the API server accepts."""
    volumes = [{"name": f"v{number}", **draw(st.sampled_from(VOLUMES))} for number in range(draw(st.integers(0, 3)))]
    names = [volume["name"] for volume in volumes]
    asking = {"name": "model", "image": "i", "resources": {"limits": {GPU: draw(st.sampled_from(["1", "2", "1k"]))}}}
    spec = draw(
        _maybe(
            runtimeClassName=st.just("gvisor"),
            hostUsers=st.just(False),
            hostNetwork=st.just(True),
            nodeSelector=st.just({"kubernetes.io/os": "linux"}),
            tolerations=st.just([{"key": GPU, "operator": "Exists"}]),
            securityContext=st.just({"runAsUser": 1000}),
            priority=st.just(0),
            os=st.just({"name": "linux"}),
        )
    )
    if spec.get("hostUsers") is False:
        spec.pop("hostNetwork", None)
    initial, regular = draw(_containers("init", names, 0)), draw(_containers("main", names, 0))
    metadata = draw(_maybe(annotations=st.just({"a": "b"}), labels=st.just({"app": "x"})))
    inner = {"volumes": volumes, "initContainers": initial, "containers": [*regular, asking]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, **inner}}


def sample(count: int) -> list[dict[str, Any]]:
    """Return so many generated pods, the same ones each time."""
    found: list[dict[str, Any]] = []

    @settings(
        max_examples=count + count // 10,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(valid_pods())
    def collect(pod: dict[str, Any]) -> None:
        if pod not in found:
            found.append(pod)

    collect()
    return found[:count]
