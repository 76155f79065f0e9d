"""A real control plane for the sections that need one, with gpu-injector installed and the review's namespace there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from e2e.binaries import BuildError, control_plane_programs, provide
from e2e.control_plane import ControlPlane, control_plane, free_port
from e2e.installation import install

from .process import ServerError
from .rows import Bench
from .servers import VIEW

MINOR = "1.37"


@contextmanager
def installed(folder: Path, bench: Bench) -> Iterator[tuple[ControlPlane, int]]:
    """Run a control plane, built where the end-to-end tests have not done so; give it with the registered port.

    Raises ServerError.
    """
    try:
        programs = provide(control_plane_programs(MINOR), MINOR, bench.say)
    except BuildError as error:
        raise ServerError(str(error)) from error
    with control_plane(programs, folder / "plane") as plane:
        port = free_port()
        install(plane, port)
        plane.kubectl.apply(yaml.safe_load_all(VIEW.read_text()))
        yield plane, port
