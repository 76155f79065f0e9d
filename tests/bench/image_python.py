"""The released image's own Python and modules, run from a folder: the figures are those of the image.

No chroot is needed: the image's loader takes the image's libraries.
"""

import json
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from e2e.binaries import BuildError, cache_folder
from e2e.installation import PROGRAM
from e2e.released.releases import Release, current
from release.debian import python
from release.image import this_machine
from release.python_files import SITE_PACKAGES

from .process import ServerError

SCRIPT = """\
#!/bin/sh
export PYTHONHOME={home} PYTHONPATH={packages}
exec {command} -m webhook "$@"
"""


def use_image(say: Callable[[str], None]) -> str:
    """Let all sections run the image's program; return its Python's version. Raises ServerError."""
    try:
        release = current(say)
    except BuildError as error:
        raise ServerError(str(error)) from error
    root = cache_folder().with_name("bench") / "image"
    shutil.rmtree(root, ignore_errors=True)
    _unpack(release, root)
    command, environment = python(root, this_machine())
    program = root.with_name("image-program")
    home, packages = shlex.quote(environment["PYTHONHOME"]), shlex.quote(str(root / SITE_PACKAGES))
    program.write_text(SCRIPT.format(home=home, packages=packages, command=shlex.join(command)))
    program.chmod(0o755)
    os.environ[PROGRAM] = str(program)
    asked = [*command, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(asked, env={**environment}, capture_output=True, text=True, check=True).stdout.strip()


def _unpack(release: Release, root: Path) -> None:
    """Unpack the layers of this machine's image to a folder."""
    root.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        with tarfile.open(release.image) as archive:
            archive.extractall(temporary, filter="data")
        blobs = Path(temporary) / "blobs"

        def read(digest: str) -> Path:
            return blobs / digest.replace(":", "/")

        index = json.loads(read(release.digest).read_bytes())
        (image,) = (one for one in index["manifests"] if one["platform"]["architecture"] == this_machine())
        for layer in json.loads(read(image["digest"]).read_bytes())["layers"]:
            subprocess.run(["tar", "-xzf", read(layer["digest"]), "-C", root], check=True)
