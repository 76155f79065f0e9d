"""kubectl, with the kubeconfig of one user of one control plane."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60

Manifest = Mapping[str, Any]


class KubectlError(AssertionError):
    """kubectl failed unexpectedly; the message has its arguments and what it printed."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What kubectl answered: exit code, standard output and standard error."""

    code: int
    stdout: str
    stderr: str

    @property
    def warnings(self) -> list[str]:
        """The warnings of the API server, as a user reads them."""
        lines = self.stderr.splitlines()
        return [line.removeprefix("Warning: ") for line in lines if line.startswith("Warning: ")]

    @property
    def object(self) -> dict[str, Any]:
        """The object that ``-o json`` printed."""
        parsed: dict[str, Any] = json.loads(self.stdout)
        return parsed


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl as one user."""

    program: Path
    kubeconfig: Path

    def attempt(self, *arguments: str, stdin: str = "") -> Printed:
        """Run kubectl and return what it printed, whether it succeeded or not."""
        # Its cache of the API's discovery would be kept in the home folder otherwise.
        own = (f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.kubeconfig}.cache")
        done = subprocess.run(
            [self.program, *own, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return Printed(done.returncode, done.stdout, done.stderr)

    def run(self, *arguments: str, stdin: str = "") -> Printed:
        """Run kubectl; raise KubectlError if it does not succeed."""
        printed = self.attempt(*arguments, stdin=stdin)
        if printed.code != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: exit code {printed.code}\n{printed.stderr}{stdin}")
        return printed

    def succeeds(self, *arguments: str, stdin: str = "") -> bool:
        """Say whether kubectl succeeds."""
        return self.attempt(*arguments, stdin=stdin).code == 0

    def apply(self, manifests: Iterable[Manifest]) -> Printed:
        """Apply objects, all in one call."""
        return self.run("apply", "-f", "-", stdin=as_list(manifests))

    def create(self, manifest: Manifest, *arguments: str) -> Printed:
        """Create one object; the answer holds it as the API server stored it."""
        return self.run("create", "-o", "json", *arguments, "-f", "-", stdin=json.dumps(manifest))

    def get(self, *arguments: str) -> dict[str, Any]:
        """Read an object, or a List of them."""
        return self.run("get", "-o", "json", *arguments).object

    def token(self, service_account: str, namespace: str) -> str:
        """Return a new token of a ServiceAccount, good for an hour."""
        return self.run("create", "token", service_account, "--namespace", namespace, "--duration=1h").stdout.strip()


def as_list(manifests: Iterable[Manifest]) -> str:
    """Return objects as one List, in JSON."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})


def write_kubeconfig(path: Path, *, server: str, certificate_authority: Path, token: str) -> Path:
    """Write the kubeconfig of a user who is known by a token; only the owner may read it."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "e2e",
        "clusters": [
            {"name": "e2e", "cluster": {"server": server, "certificate-authority": str(certificate_authority)}}
        ],
        "users": [{"name": "e2e", "user": {"token": token}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path
