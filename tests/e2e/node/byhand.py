"""Temporary: the fix by hand."""

import copy

from e2e.node.cluster import Cluster
from e2e.node.plugin import CONTAINER, Release, release_of


def by_hand(c: Cluster) -> Release:
    """Fix by hand."""
    r = release_of(c.setup.plugins[0], c.helm)
    m = copy.deepcopy(r.manifests)
    for d in m:
        if d["kind"] != "DaemonSet" or d["metadata"]["name"] != r.daemon_set:
            continue
        spec = d["spec"]["template"]["spec"]
        if c.setup.runtime_classes:
            spec["runtimeClassName"] = "nvidia"
            continue
        k = next(x for x in spec["containers"] if x["name"] == CONTAINER)
        k["env"] = [
            *k.get("env", []),
            {"name": "PASS_DEVICE_SPECS", "value": "true"},
            {"name": "LD_LIBRARY_PATH", "value": "/usr/local/lib"},
        ]
        k["securityContext"] = {"privileged": True}
        k["volumeMounts"] += [
            {"name": "nvml", "mountPath": "/usr/local/lib/libnvidia-ml.so.1", "readOnly": True},
            {"name": "dev", "mountPath": "/dev"},
        ]
        spec["volumes"] += [
            {"name": "nvml", "hostPath": {"path": str(c.driver.library_folder / "libnvidia-ml.so.1"), "type": "File"}},
            {"name": "dev", "hostPath": {"path": "/dev"}},
        ]
    return Release(r.version, m, r.daemon_set)
