"""Clusters spoilt for what the replicas remember of failed patches."""

from datetime import timedelta

from support.doctor_cases.table import spoils
from support.doctor_world import HOME, NOW, Cluster
from webhook.doctor.check import State
from webhook.observations.setback import Setback, SetbackKey, SetbackKind, Setbacks
from webhook.observations.stored_state import StoredState, write_state
from webhook.policy.fingerprint import fingerprint
from webhook.view.node_projection import project_node

SAID = "hostPath type check failed: /usr/lib64/libnvidia-ml.so.1 is not a file"


@spoils("setbacks", "on gpu-node: recipe nvml failed 2 times (blocked): hostPath type check failed")
def blocked(cluster: Cluster) -> None:
    """The driver is elsewhere, and the node offers nothing."""
    cluster.blind_plugin()
    remember(cluster)


@spoils("setbacks", "name its directory under `drivers` in the policy", State.WARN)
def another_recipe_works(cluster: Cluster) -> None:
    """The next recipe found the GPUs."""
    remember(cluster)


def remember(cluster: Cluster, *, policy: str = "", minutes: int = 10, text: str = SAID) -> None:
    """Have the replicas remember a failure on the GPU node."""
    node = project_node(cluster.node)
    at = NOW - timedelta(minutes=minutes)
    found = Setback(
        key=SetbackKey("kube-system", "nvidia-device-plugin", "gpu-node", "nvml"),
        kind=SetbackKind.BLOCKED,
        text=text,
        at=at,
        until=at + timedelta(hours=2),
        repetitions=2,
        boot_id=node.boot_id,
        host=node.host,
    )
    state = StoredState(setbacks=Setbacks({found.key: found}, policy=policy or fingerprint(cluster.policy)))
    about = {"name": f"{HOME}-state", "namespace": HOME}
    cluster.add(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"state.json": write_state(state)}}
    )
