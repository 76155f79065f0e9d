"""Credentials that a kubeconfig's exec plugin prints: run as kubectl runs it, without a shell, in bounded time.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
Messages use kubectl's wording, and never quote what the plugin printed: that is a secret.
"""

import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from webhook.kube.values import elements, mapping, text
from webhook.kube_client.answer import json_object
from webhook.kube_client.api_error import CredentialsError

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
EXTENSION = "client.authentication.k8s.io/exec"
# Cloud plugins answer within seconds. At a terminal a person may have to log in with a browser.
PLUGIN_SECONDS = 30
TERMINAL_SECONDS = 180
MAX_OUTPUT_BYTES = 2**20
CLUSTER_KEYS = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
NOT_INSTALLED = (
    "It looks like you are trying to use a client-go credential plugin that is not installed.\n\n"
    "To learn more about this feature, consult the documentation available at:\n"
    "      https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins"
)


@dataclass(frozen=True, slots=True)
class ExecCredential:
    """What a plugin printed: a token, or a client certificate with its key (PEM), or both, and until when."""

    token: str = field(repr=False)
    certificate: str = field(repr=False)
    key: str = field(repr=False)
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Unattended:
    """Runs a plugin where no person can log in: for so many seconds, without a terminal, and without its messages."""

    seconds: float


def run_plugin(
    entry: Mapping[str, Any], cluster: Mapping[str, Any], folder: Path, unattended: Unattended | None = None
) -> ExecCredential:
    """Run the plugin of a user's ``exec`` entry. Blocks. Raises CredentialsError.

    ``cluster`` is the kubeconfig's entry of the cluster; a relative command is relative to ``folder``.
    """
    version = text(entry.get("apiVersion"))
    if version not in VERSIONS:
        raise _failed(f'invalid apiVersion "{version}"')
    interactive = _is_interactive(entry, unattended)
    output = _output(entry, _environment(entry, cluster, interactive=interactive), folder, unattended)
    return _credential(output, version)


def _output(
    entry: Mapping[str, Any], environment: Mapping[str, str], folder: Path, unattended: Unattended | None
) -> bytes:
    command = text(entry.get("command"))
    program = _program(entry, command, folder)
    arguments = [text(argument) for argument in elements(entry.get("args"))]
    interactive = _is_interactive(entry, unattended)
    seconds = unattended.seconds if unattended else TERMINAL_SECONDS if interactive else PLUGIN_SECONDS
    stdin = None if interactive else subprocess.DEVNULL
    # It inherits standard error: there a plugin explains what the user must do.
    stderr = subprocess.DEVNULL if unattended else None
    try:
        process = subprocess.Popen(  # noqa: S603 - the kubeconfig names the program, as for kubectl
            [program, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=dict(environment)
        )
    except (OSError, ValueError) as error:
        raise _failed(f"executable {command} cannot be run ({type(error).__name__})") from None
    with process:
        try:
            output, code = wait_for(process, seconds)
        except TimeoutError:
            raise _failed(f"executable {command} did not answer within {seconds} seconds") from None
        except ValueError:
            raise _failed(f"executable {command} printed more than {MAX_OUTPUT_BYTES} bytes") from None
        finally:
            process.kill()
    if code:
        raise _failed(f"executable {command} failed with exit code {code}")
    return output


def _program(entry: Mapping[str, Any], command: str, folder: Path) -> str:
    named = str(folder / command) if "/" in command else command
    found = shutil.which(named) if named else None
    if found is None:
        hint = text(entry.get("installHint")).strip()
        raise _failed("\n\n".join(filter(None, (f"executable {command} not found", NOT_INSTALLED, hint))))
    return found


def _is_interactive(entry: Mapping[str, Any], unattended: Unattended | None) -> bool:
    """Whether the plugin gets our standard input: only from a terminal, so that manifests are never read by it."""
    terminal = unattended is None and sys.stdin is not None and sys.stdin.isatty()
    mode = entry.get("interactiveMode")
    if mode == "Always" and not terminal:
        raise _failed("exec plugin cannot support interactive mode: standard input is not a terminal")
    return terminal and mode != "Never"


def _environment(entry: Mapping[str, Any], cluster: Mapping[str, Any], *, interactive: bool) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": interactive}
    if entry.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(cluster)
    information = {"apiVersion": entry.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    named = {}
    for one in elements(entry.get("env")):
        if not isinstance(one, dict) or not one.get("name"):
            raise _failed("an entry of its env has no name")
        named[text(one["name"])] = text(one.get("value"))
    return {**os.environ, **named, "KUBERNETES_EXEC_INFO": json.dumps(information)}


def _cluster_info(cluster: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: cluster[key] for key in CLUSTER_KEYS if key in cluster}
    for extension in elements(cluster.get("extensions")):
        if mapping(extension).get("name") == EXTENSION:
            found["config"] = extension.get("extension")
    return found


def wait_for(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, int]:
    """Return output and exit code. Raises TimeoutError, and ValueError for too much output."""
    deadline = time.monotonic() + seconds
    output = _read(process.stdout, deadline) if process.stdout else b""
    try:
        return output, process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None


def _read(pipe: IO[bytes], deadline: float) -> bytes:
    output = bytearray()
    with selectors.DefaultSelector() as ready:
        ready.register(pipe, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not ready.select(left):
                raise TimeoutError
            chunk = os.read(pipe.fileno(), 2**16)
            if not chunk:
                return bytes(output)
            output += chunk
            if len(output) > MAX_OUTPUT_BYTES:
                raise ValueError


def _credential(output: bytes, version: str) -> ExecCredential:
    found = json_object(output)
    if found is None:
        raise _failed("decoding stdout: it is no JSON object")
    if found.get("kind") != "ExecCredential" or found.get("apiVersion") not in VERSIONS:
        raise _failed("decoding stdout: it is no ExecCredential")
    if found["apiVersion"] != version:
        raise _failed(
            f"exec plugin is configured to use API version {version}, plugin returned version {found['apiVersion']}"
        )
    status = found.get("status")
    if not isinstance(status, dict):
        raise _failed("exec plugin didn't return a status field")
    token, certificate, key = (_text(status, name) for name in ("token", "clientCertificateData", "clientKeyData"))
    if not token and not certificate and not key:
        raise _failed("exec plugin didn't return a token or cert/key pair")
    if bool(certificate) != bool(key):
        raise _failed("exec plugin returned only certificate or key, not both")
    return ExecCredential(token, certificate, key, _expiry(status))


def _text(status: Mapping[str, Any], name: str) -> str:
    value = status.get(name) or ""
    if not isinstance(value, str):
        raise _failed(f"decoding stdout: status.{name} is no text")
    return value


def _expiry(status: Mapping[str, Any]) -> datetime | None:
    written = _text(status, "expirationTimestamp")
    if not written:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise _failed("decoding stdout: status.expirationTimestamp is no time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _failed(why: str) -> CredentialsError:
    return CredentialsError(f"getting credentials: exec: {why}")
