"""Exec plugins: what is run, what is said when that fails, and that it ends in bounded time."""

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from webhook.kube_client import exec_plugin
from webhook.kube_client.api_error import CredentialsError
from webhook.kube_client.exec_plugin import run_plugin

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
SECRET = "s3cr3t-value"  # noqa: S105 - the canary


def entry(code: str, **more: object) -> dict[str, Any]:
    """Return a user's exec entry whose plugin is a line of Python."""
    return {"apiVersion": V1, "command": sys.executable, "args": ["-c", code], "interactiveMode": "Never", **more}


def printing(status: object, **more: object) -> dict[str, Any]:
    """Return an exec entry whose plugin prints a credential with this status."""
    content = {"apiVersion": V1, "kind": "ExecCredential", "status": status, **more}
    return entry(f"print({json.dumps(content)!r})")


def failure(item: dict[str, Any], folder: Path) -> str:
    """Return what is said when a plugin fails."""
    with pytest.raises(CredentialsError) as failed:
        run_plugin(item, {}, folder)
    return str(failed.value)


def test_a_token_and_its_end(tmp_path: Path) -> None:
    """A time without a zone is UTC."""
    found = run_plugin(printing({"token": "t", "expirationTimestamp": "2030-01-02T03:04:05Z"}), {}, tmp_path)
    assert (found.token, found.expires) == ("t", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    found = run_plugin(printing({"token": "t", "expirationTimestamp": "2030-01-02T03:04:05"}), {}, tmp_path)
    assert found.expires == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_client_certificate(tmp_path: Path) -> None:
    """It comes with its key."""
    found = run_plugin(printing({"clientCertificateData": "cert", "clientKeyData": "key"}), {}, tmp_path)
    assert (found.token, found.certificate, found.key, found.expires) == ("", "cert", "key", None)


def test_a_credential_is_not_shown(tmp_path: Path) -> None:
    """A traceback or a log line may contain its repr."""
    assert SECRET not in repr(run_plugin(printing({"token": SECRET}), {}, tmp_path))


def test_a_missing_plugin_is_named_with_its_hint(tmp_path: Path) -> None:
    """The words are kubectl's, and the administrator's own hint follows."""
    said = failure({"apiVersion": V1, "command": "no-such-plugin", "installHint": "brew install it\n"}, tmp_path)
    assert said.startswith("getting credentials: exec: executable no-such-plugin not found\n\nIt looks like you are")
    assert said.endswith("\n\nbrew install it")


def test_a_file_that_is_no_program_is_not_found(tmp_path: Path) -> None:
    """As for kubectl, which looks for an executable."""
    (tmp_path / "plugin").write_text("#!/bin/sh\n")
    assert "executable ./plugin not found" in failure({"apiVersion": V1, "command": "./plugin"}, tmp_path)


def test_a_relative_command_is_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    """The working directory does not count."""
    plugin = tmp_path / "plugin"
    content = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": {"token": "t"}})
    plugin.write_text(f"#!/bin/sh\necho '{content}'\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    assert run_plugin({"apiVersion": V1, "command": "./plugin"}, {}, tmp_path).token == "t"  # noqa: S105


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (entry("import sys; print('s3cr3t-value'); sys.exit(7)"), "failed with exit code 7"),
        (entry("pass"), "decoding stdout: it is no JSON object"),
        (entry("print('s3cr3t-value')"), "decoding stdout: it is no JSON object"),
        (entry("import sys; sys.stdout.buffer.write(b'\\x80s3cr3t-value')"), "decoding stdout: it is no JSON object"),
        (entry("""print('["s3cr3t-value"]')"""), "decoding stdout: it is no JSON object"),
        (entry("""print('{"token": "s3cr3t-value"}')"""), "decoding stdout: it is no ExecCredential"),
        (printing({"token": SECRET}, kind="Pod"), "decoding stdout: it is no ExecCredential"),
        (printing({"token": SECRET}, apiVersion=V1BETA1), f"configured to use API version {V1}, plugin returned"),
        (printing(None), "exec plugin didn't return a status field"),
        (printing([SECRET]), "exec plugin didn't return a status field"),
        (printing({}), "exec plugin didn't return a token or cert/key pair"),
        (printing({"token": ""}), "exec plugin didn't return a token or cert/key pair"),
        (printing({"token": {"a": SECRET}}), "decoding stdout: status.token is no text"),
        (printing({"clientCertificateData": SECRET}), "exec plugin returned only certificate or key, not both"),
        (printing({"clientKeyData": SECRET}), "exec plugin returned only certificate or key, not both"),
        (printing({"token": SECRET, "expirationTimestamp": "soon"}), "status.expirationTimestamp is no time"),
        ({"command": sys.executable}, 'invalid apiVersion ""'),
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": "x"}, "invalid apiVersion"),
        ({"apiVersion": V1}, "executable  not found"),
        (entry("pass", env=[{"value": SECRET}]), "an entry of its env has no name"),
        (entry("pass", args=[f"{SECRET}\0"]), "cannot be run (ValueError)"),
    ],
)
def test_a_plugin_that_fails_is_explained_without_its_secret(item: dict[str, Any], why: str, tmp_path: Path) -> None:
    """What it printed may be a token, whatever else is wrong with it."""
    said = failure(item, tmp_path)
    assert why in said
    assert said.startswith("getting credentials: exec: ")
    assert SECRET not in said


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(3600)",
        "import os, time; os.close(1); time.sleep(3600)",
        "import subprocess; subprocess.run(['sleep', '30'])",
    ],
    ids=["silent", "output closed", "a child of its own"],
)
def test_a_plugin_that_hangs_is_ended(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that closed its output, and one whose child keeps it open."""
    monkeypatch.setattr(exec_plugin, "PLUGIN_SECONDS", 0.2)
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - Popen's
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    assert "did not answer within 0.2 seconds" in failure(entry(code), tmp_path)
    assert started[0].returncode is not None


def test_a_plugin_that_never_stops_printing_is_ended(tmp_path: Path) -> None:
    """It must not fill the memory."""
    said = failure(entry("while True: print('s3cr3t-value' * 9999)"), tmp_path)
    assert "printed more than" in said
    assert SECRET not in said


TELLING = f"""
import json, os
token = json.dumps([os.environ[name] for name in ("OURS", "OWN", "KUBERNETES_EXEC_INFO")])
print(json.dumps({{"apiVersion": {V1!r}, "kind": "ExecCredential", "status": {{"token": token}}}}))
"""


def test_the_environment_of_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, its own entries, and what Kubernetes tells every plugin."""
    monkeypatch.setenv("OURS", "a")
    cluster = {
        "server": "https://s",
        "tls-server-name": "n",
        "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"k": "v"}}],
    }
    item = entry(TELLING, env=[{"name": "OWN", "value": "b"}], provideClusterInfo=True)
    ours, own, information = json.loads(run_plugin(item, cluster, tmp_path).token)
    spec = json.loads(information)["spec"]
    assert (ours, own, spec["interactive"]) == ("a", "b", False)
    assert spec["cluster"] == {"server": "https://s", "tls-server-name": "n", "config": {"k": "v"}}


READING = f"""
import json, sys
status = {{"token": "read:" + sys.stdin.read()}}
print(json.dumps({{"apiVersion": {V1!r}, "kind": "ExecCredential", "status": status}}))
"""


def test_a_plugin_does_not_read_our_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It contains manifests, unless it is a terminal."""
    manifests = tmp_path / "manifests.yaml"
    manifests.write_text("kind: Pod")
    with manifests.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        item = entry(READING, interactiveMode="IfAvailable")
        assert run_plugin(item, {}, tmp_path).token == "read:"  # noqa: S105
        assert "standard input is not a terminal" in failure({**item, "interactiveMode": "Always"}, tmp_path)
