"""``make doctor-speed``: time and memory of ``doctor`` and ``collect`` in a large cluster; it prints the figures.

The API server is the fake one of the tests, in this process; each command runs in its own. The exit code is 1 beyond
the limits. ``python -m tests.bench.doctor_scale 500`` takes 500 nodes.
"""

import asyncio
import os
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.doctor_world import HOME, REPLICAS, Cluster, healthy, served

NODES, PODS_OF_A_NODE = 5_000, 2
# A file is written and read once for a support case; it holds the whole cluster.
MOST_SECONDS, MOST_MIB, MOST_MIB_OF_FILES = 30, 300, 512
GOOD_ENDS = (0, 3)


def large_cluster(nodes: int) -> Cluster:
    """Return the healthy cluster with thousands of nodes and GPU pods, as large as real ones."""
    cluster = healthy()
    node, plugin, pod = cluster.node, cluster.plugin, cluster.pod
    for index in range(nodes):
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


async def measure(*arguments: str, most_mib: int = MOST_MIB_OF_FILES) -> bool:
    """Run a command and print what it took; return whether it kept to the limits."""
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "webhook", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    peak = asyncio.create_task(asyncio.to_thread(_peak_mib, process.pid))
    printed, said = await process.communicate()
    seconds, mib = time.monotonic() - started, await peak
    last = ((printed or said).decode().splitlines() or [""])[-1]
    sys.stdout.write(f"{' '.join(arguments[:2])}: {seconds:.1f} s, VmHWM {mib:.0f} MiB; {last}\n")
    return process.returncode in GOOD_ENDS and seconds <= MOST_SECONDS and mib <= most_mib


async def measure_all(nodes: int, folder: Path) -> bool:
    """Measure ``doctor``, ``collect``, and ``doctor`` with the file; return whether all kept to the limits."""
    cores = os.cpu_count()
    sys.stdout.write(f"{nodes} nodes, {nodes * PODS_OF_A_NODE} GPU pods, {cores} cores (shared with the API server)\n")
    file = str(folder / "collected.json.gz")
    async with served(large_cluster(nodes)) as fake:
        access = ("--kubeconfig", fake.kubeconfig(folder))
        found = [await measure("doctor", "-o", "short", *access, most_mib=MOST_MIB)]
        # The simulated replicas answer no HTTP, and would be waited for.
        for name in REPLICAS:
            fake.delete(f"/api/v1/namespaces/{HOME}/pods/{name}")
        found.append(await measure("collect", "-f", file, *access))
    found.append(await measure("doctor", "--from", file, "-o", "short"))
    return all(found)


def _peak_mib(pid: int) -> float:
    """Follow the high-water mark of a process's memory until it ends.

    ``ru_maxrss`` of a child would be that of this process, from which it was forked.
    """
    place, peak = Path(f"/proc/{pid}"), 0.0
    while True:
        try:
            # Before it runs another program, a new process has the memory of this one: look at the program first.
            is_own = b"doctor_scale" not in (place / "cmdline").read_bytes()
            lines = (place / "status").read_text().splitlines()
        except OSError:
            return peak
        marks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
        if not marks:
            return peak
        peak = max(peak, *marks) if is_own else 0.0
        time.sleep(0.05)


def main() -> int:
    """Measure, with as many nodes as the first argument says; return the exit code."""
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else NODES
    with tempfile.TemporaryDirectory() as folder:
        return 0 if asyncio.run(measure_all(nodes, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
