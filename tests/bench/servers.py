"""The servers under test, and how each is started."""

import os
import string
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from e2e.installation import our_program

from .process import Launch, ServerError, free_port, listening_line, open_port
from .review import constant_answer

HERE = Path(__file__).parent
VIEW = HERE / "view.yaml"


def ours(folder: Path) -> Launch:
    """Start gpu-injector standalone; it makes its own certificate and says on stdout when it is ready."""
    authority = folder / "ca.crt"
    program = str(our_program())
    files = ["--view", str(VIEW), "--ca-file", str(authority)]
    ports = ["--port", "0", "--admin-port", "0", "--decisions-port", "0"]
    # As installed: compiled once. Where this is set, every start would compile our modules anew.
    environment = {"PYTHONDONTWRITEBYTECODE": ""}
    return Launch([program, "serve", "--standalone", *files, *ports], authority, listening_line, environment)


def go_peer(folder: Path) -> Launch:
    """Start the controller-runtime webhook of ``peer/`` for the review's namespace."""
    return go_peer_for("ml-team", folder)


def go_peer_for(namespace: str, folder: Path, *more: str) -> Launch:
    """Start the controller-runtime webhook of ``peer/``."""
    return _in_go("peer", folder, "--namespace", namespace, *more)


def floor(folder: Path) -> Launch:
    """Start the webhook of ``floor/``, which reads only the uid."""
    return _in_go("floor", folder)


def _in_go(name: str, folder: Path, *flags: str) -> Launch:
    """Start a server of ours in Go, with one processor for its goroutines."""
    certificate = make_certificate(folder)
    port = free_port()
    command = [str(build_go(name)), "--port", str(port), "--cert-dir", str(folder), *flags]
    return Launch(command, certificate, open_port(port), {"GOMAXPROCS": "1"})


def nginx(folder: Path) -> Launch:
    """Start nginx, one worker, answering a constant."""
    certificate = make_certificate(folder)
    port = free_port()
    template = string.Template((HERE / "nginx.conf").read_text())
    (folder / "nginx.conf").write_text(template.substitute(port=port, answer=constant_answer()))
    return Launch(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], certificate, open_port(port))


SERVERS: Mapping[str, Callable[[Path], Launch]] = {"gpu-injector": ours, "controller-runtime": go_peer, "nginx": nginx}


def build_go(name: str) -> Path:
    """Build a program of a folder here, outside the checkout; Go's own cache makes that cheap. Raises ServerError."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    program = Path(home) / "gpu-injector" / "bench" / name
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    command = ["go", "build", *flags, "-o", str(program), "."]
    done = subprocess.run(command, cwd=HERE / name, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{name} could not be built:\n{done.stderr.strip()}")
    return program


def make_certificate(folder: Path) -> Path:
    """Make tls.crt and tls.key in the folder, with a key of the kind that ours has (ECDSA P-256)."""
    certificate = folder / "tls.crt"
    extensions = ["subjectAltName=IP:127.0.0.1", "keyUsage=critical,digitalSignature,keyCertSign"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(folder / "tls.key")]
    command = ["openssl", "req", "-x509", *key, "-subj", "/CN=bench", "-days", "1", "-out", str(certificate)]
    command += [argument for extension in extensions for argument in ("-addext", extension)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"openssl could not make a certificate:\n{done.stderr.strip()}")
    return certificate
