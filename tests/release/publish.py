"""Pushes the image and the chart of a release to a registry."""

import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from e2e.binaries import Program

from release.build import SUMMARY
from release.programs import ReleaseError

CRANE = Program("crane", "release-tools", "github.com/google/go-containerregistry/cmd/crane")
NAME = "gpu-injector"
# The credentials, if the registry wants any.
USER, PASSWORD = "REGISTRY_USER", "REGISTRY_PASSWORD"


@dataclass(frozen=True, slots=True)
class Publisher:
    """crane and Helm, how each is run, and the registry with the owner's part of the path."""

    crane: Path
    helm: Path
    run: Callable[..., str]
    registry: str

    @property
    def charts(self) -> str:
        """Return where the charts are."""
        return f"oci://{self.registry}/charts"

    @property
    def repository(self) -> str:
        """Return where the image is."""
        return f"{self.registry}/{NAME}"

    def push(self, folder: Path, work: Path, *flags: str) -> None:
        """Push the image and the chart; ``flags`` are Helm's. The work folder is new."""
        version = json.loads((folder / SUMMARY).read_text())["version"]
        work.mkdir()
        with tarfile.open(folder / f"{NAME}-{version}-image.tar") as archive:
            archive.extractall(work, filter="data")
        self.run(self.crane, "push", work, f"{self.repository}:{version}")
        self.run(self.helm, "push", folder / f"{NAME}-{version}.tgz", self.charts, *flags)

    def log_in(self) -> None:
        """Give both programs the credentials of the environment; none is fine, too. Raises ReleaseError."""
        user, password = os.environ.get(USER), os.environ.get(PASSWORD)
        if not user or not password:
            return
        host = self.registry.partition("/")[0]
        own = ("--username", user, "--password-stdin")
        for command in ((self.crane, "auth", "login", host, *own), (self.helm, "registry", "login", host, *own)):
            words = [str(word) for word in command]
            done = subprocess.run(words, input=password, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise ReleaseError(f"{words[0]} cannot log in to {host}: {done.stderr[-500:]}")
