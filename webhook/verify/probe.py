"""Prints what a container sees of its GPU as one line of JSON. Needs only Python's standard library.

``gpu-injector verify`` runs it in a pod on each GPU node, as ``gpu-injector probe`` or as ``python3 -c <this file>``.
Sources: https://docs.nvidia.com/deploy/nvml-api/ and https://docs.nvidia.com/cuda/cuda-driver-api/
"""

import ctypes
import errno
import glob
import json
import os
from collections.abc import Callable

NVML, CUDA = "libnvidia-ml.so.1", "libcuda.so.1"
SHOWN = ("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "LD_LIBRARY_PATH")
DEVICES = ("/dev/nvidia[0-9]*", "/dev/nvidiactl", "/dev/nvidia-uvm")


def probe() -> dict[str, object]:
    """Load NVML and CUDA's driver library, count devices, and try to open the device nodes."""
    return {
        "nvml": _query(NVML, _nvml),
        "cuda": _query(CUDA, _cuda),
        "devices": {path: _opened(path) for pattern in DEVICES for path in sorted(glob.glob(pattern))},  # noqa: PTH207  a path is text here
        "environment": {name: os.environ[name] for name in SHOWN if name in os.environ},
        "names": sorted(name for name in os.environ if name.startswith(("NVIDIA_", "CUDA_")) and name not in SHOWN),
    }


def _query(name: str, query: Callable[[ctypes.CDLL], dict[str, object]]) -> dict[str, object]:
    """Load a library, find its file, and query it."""
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        return {"error": str(error)}
    path = _mapped(name)
    facts: dict[str, object] = {"path": path, "from": _source(path)}
    try:
        return {**facts, **query(library)}
    except AttributeError as error:  # another library of that name
        return {**facts, "error": str(error)}


def _nvml(library: ctypes.CDLL) -> dict[str, object]:
    code = library.nvmlInit_v2()
    if code:
        return {"error": f"nvmlInit_v2 answered {code}"}
    version, count = ctypes.create_string_buffer(80), ctypes.c_uint(0)
    library.nvmlSystemGetDriverVersion(version, len(version))
    library.nvmlDeviceGetCount_v2(ctypes.byref(count))
    library.nvmlShutdown()
    return {"driverVersion": version.value.decode(errors="replace"), "devices": count.value}


def _cuda(library: ctypes.CDLL) -> dict[str, object]:
    code = library.cuInit(0)
    if code:
        return {"error": f"cuInit answered {code}"}
    count = ctypes.c_int(0)
    library.cuDeviceGetCount(ctypes.byref(count))
    return {"devices": count.value}


def _mapped(name: str) -> str:
    """Return the file that the loader mapped for a library, with symbolic links resolved."""
    stem = name.partition(".so")[0] + ".so"
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
        paths = (line.rstrip("\n").partition("/") for line in maps)
        return next((f"/{path}" for _, slash, path in paths if slash and path.rpartition("/")[2].startswith(stem)), "")


def _source(path: str) -> str:
    """Return the path on the host of a mounted file; empty if the file is from the image."""
    found = ("/", "")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:  # noqa: PTH123
        for line in mounts:
            root, place = line.split()[3:5]
            if place != "/" and (path == place or path.startswith(place + "/")) and len(place) >= len(found[0]):
                found = (place, root + path[len(place) :])
    return found[1]


def _opened(path: str) -> str:
    """Return "OK", or the name of the error."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "OK"


if __name__ == "__main__":
    print(json.dumps(probe()))  # noqa: T201  its one line
