"""The images of the tests: the pause container, NVIDIA's device plugin, and a probe that reports its GPU."""

from collections.abc import Mapping
from pathlib import Path

from e2e.node.archive import Image
from e2e.node.compile import executable, loading_executable, needed_files

SOURCES = Path(__file__).with_name("images")
PAUSE = "localhost/pause:1"
PROBE = "localhost/probe:1"
CUDA_PROBE = "localhost/cuda-probe:1"

# What images that are built on CUDA's carry: under NVIDIA's runtime it means every GPU of the node.
CUDA = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}


def pause_image(folder: Path) -> Image:
    """Compile and return the image of the container that holds a pod's namespaces."""
    program = executable(SOURCES / "pause.c", folder / "pause")
    return Image(PAUSE, {"/usr/bin/pause": program}, ["/usr/bin/pause"])


def probe_images(folder: Path) -> tuple[Image, Image]:
    """Compile the probe, and return it as a plain image and as one that is built on CUDA's."""
    program = loading_executable(SOURCES / "probe.c", folder / "probe")
    files = _with_libraries("/usr/bin/probe", program)
    return Image(PROBE, files, ["/usr/bin/probe"]), Image(CUDA_PROBE, files, ["/usr/bin/probe"], CUDA)


def plugin_image_name(version: str) -> str:
    """Return the name of the device plugin's image, which an administrator has mirrored."""
    return f"localhost/k8s-device-plugin:v{version}"


def plugin_image(program: Path, version: str) -> Image:
    """Return the image of NVIDIA's device plugin, with the environment that NVIDIA's image has."""
    files = _with_libraries("/usr/bin/nvidia-device-plugin", program)
    environment = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "utility"}
    return Image(plugin_image_name(version), files, ["nvidia-device-plugin"], environment)


def _with_libraries(path: str, program: Path) -> Mapping[str, Path]:
    return {path: program, **{str(library): library for library in needed_files(program)}}
