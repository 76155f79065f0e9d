"""kubectl, with the kubeconfig of one user of one control plane."""

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from e2e.api_calls import created, found, stored_in_dry_run
from e2e.direct_api import Answer, DirectApi

TIMEOUT_SECONDS = 180

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
        return _successful(self.attempt(*arguments, stdin=stdin), *arguments, stdin=stdin)

    def succeeds(self, *arguments: str, stdin: str = "") -> bool:
        """Say whether kubectl succeeds."""
        return self.attempt(*arguments, stdin=stdin).code == 0

    def apply(self, manifests: Iterable[Manifest]) -> Printed:
        """Apply objects, all in one call."""
        return self.run("apply", "-f", "-", stdin=as_list(manifests))

    def attempt_create(self, manifest: Manifest, *flags: str) -> Printed:
        """Try to create one object, as ``kubectl create`` does, and return what it would print."""
        return _printed(lambda: created(self.kubeconfig, manifest, *flags))

    def create(self, manifest: Manifest, *flags: str) -> Printed:
        """Create one object; the answer holds it as the API server stored it."""
        return _successful(self.attempt_create(manifest, *flags), "create", *flags, stdin=json.dumps(manifest))

    def store_in_dry_run(self, manifest: Manifest) -> None:
        """Assert that the API server would accept an object, new or instead of the one that is there."""
        printed = _printed(lambda: stored_in_dry_run(self.kubeconfig, manifest))
        _successful(printed, "apply", "--dry-run=server", stdin=json.dumps(manifest))

    def exists(self, *arguments: str) -> bool:
        """Say whether ``get`` finds the object."""
        return _printed(lambda: found(self.kubeconfig, *arguments)).code == 0

    def get(self, *arguments: str) -> dict[str, Any]:
        """Read an object, or a List of them, as ``kubectl get`` does."""
        return _successful(_printed(lambda: found(self.kubeconfig, *arguments)), "get", *arguments).object

    def token(self, service_account: str, namespace: str) -> str:
        """Return a new token of a ServiceAccount, good for an hour."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        with DirectApi(self.kubeconfig) as api:
            status, answer = api.call("POST", path, request)
        assert status == 201, answer
        token: str = answer["status"]["token"]
        return token


def _successful(printed: Printed, *arguments: str, stdin: str = "") -> Printed:
    """Return what was printed; raise KubectlError if it tells of a failure."""
    if printed.code != 0:
        raise KubectlError(f"kubectl {' '.join(arguments)}: exit code {printed.code}\n{printed.stderr}{stdin}")
    return printed


def _printed(ask: Callable[[], Answer]) -> Printed:
    """Return what kubectl would print of an answer."""
    try:
        answer = ask()
    except (OSError, HTTPException) as error:
        return Printed(1, "", f"Unable to connect to the server: {error!r}")
    lines = [f"Warning: {text}\n" for text in answer.warnings]
    if answer.status in (200, 201):
        shown = answer.object
        for item in shown.get("items", [shown]):
            item["metadata"].pop("managedFields", None)
        return Printed(0, json.dumps(shown), "".join(lines))
    status = answer.object
    return Printed(1, "", "".join([*lines, f"Error from server ({status['reason']}): {status['message']}\n"]))


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
