"""How long `doctor` takes in a large cluster, and how much memory: ``python -m tests.bench.doctor_scale``.

The API server is the fake one of the tests, in this process; the command runs in its own. The exit code is 1 beyond the
limits.
"""

import asyncio
import os
import resource
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.doctor_world import Cluster, healthy, served

NODES, PODS = 5_000, 10_000
MOST_SECONDS, MOST_MIB = 30, 300
PODS_OF_A_NODE = PODS // NODES


def large_cluster() -> Cluster:
    """Return the healthy cluster with thousands of nodes and GPU pods, as large as real ones."""
    cluster = healthy()
    node, plugin, pod = cluster.node, cluster.plugin, cluster.pod
    for index in range(NODES):
        name = f"node-{index:04}"
        cluster.add(_node(node, name), _placed(plugin, f"plugin-{index:04}", name))
        cluster.add(*(_placed(pod, f"model-{index:04}-{part}", name) for part in range(PODS_OF_A_NODE)))
    return cluster


def _node(node: dict[str, Any], name: str) -> dict[str, Any]:
    found = deepcopy(node)
    labels = {f"feature.node.kubernetes.io/cpu-{number}": "true" for number in range(80)}
    found["metadata"] |= {
        "name": name,
        "labels": {**node["metadata"]["labels"], **labels, "kubernetes.io/hostname": name},
    }
    images = [
        {"names": [f"registry.example/image-{number}@sha256:{number:064}"], "sizeBytes": 1} for number in range(50)
    ]
    found["status"] |= {"images": images, "capacity": {"cpu": "64", "nvidia.com/gpu": "8"}}
    found["status"]["allocatable"] = found["status"]["capacity"]
    return found


def _placed(pod: dict[str, Any], name: str, node: str) -> dict[str, Any]:
    found = deepcopy(pod)
    found["metadata"] |= {
        "name": name,
        "managedFields": [{"manager": "kubelet", "fieldsV1": {f"f:{n}": {} for n in range(60)}}],
    }
    found["spec"]["nodeName"] = node
    return found


async def measure(folder: Path) -> tuple[float, float, str]:
    """Return the seconds and MiB that the command takes, and the last line of what it prints."""
    async with served(large_cluster()) as fake:
        command = (sys.executable, "-m", "webhook", "doctor", "-o", "short", "--kubeconfig", fake.kubeconfig(folder))
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        peak = asyncio.create_task(asyncio.to_thread(_peak_mib, process.pid))
        printed, _ = await process.communicate()
        seconds = time.monotonic() - started
        return seconds, await peak, (printed.decode().splitlines() or [""])[-1]


def _peak_mib(pid: int) -> float:
    """Follow the high-water mark of a process's memory until it ends.

    ``ru_maxrss`` of a child would be that of this process, from which it was forked.
    """
    status, peak = Path(f"/proc/{pid}/status"), 0.0
    while True:
        try:
            lines = status.read_text().splitlines()
        except OSError:
            return peak
        marks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
        if not marks and peak:
            return peak
        # Before it runs another program, a new process has the memory of this one.
        own = Path(f"/proc/{pid}/cmdline").read_bytes().count(b"doctor_scale") == 0
        peak = max([peak, *marks]) if own else 0.0
        time.sleep(0.05)


def main() -> int:
    """Print the figures; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, mib, last = asyncio.run(measure(Path(folder)))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime
    sys.stdout.write(
        f"{NODES} nodes, {PODS} GPU pods: {seconds:.1f} s ({cpu:.1f} s of CPU), {mib:.0f} MiB on {os.cpu_count()} "
        f"cores; {last}\n"
    )
    return int(seconds > MOST_SECONDS or mib > MOST_MIB)


if __name__ == "__main__":
    sys.exit(main())
