"""The files that commands read: policy, view and manifests. Faults become messages of the command line."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from webhook.kube.manifests import Manifest, ManifestError, read_documents, read_manifests
from webhook.observations.setback import NO_SETBACKS
from webhook.policy.model import Policy
from webhook.view.plugin_projections import known_plugins
from webhook.view.projections import view_of
from webhook.view.view import ClusterView

MANIFEST_SUFFIXES = (".yaml", ".yml", ".json")


class InputError(click.ClickException):
    """A file that cannot be used. The exit code is 2, as kubectl diff's for trouble."""

    exit_code = 2


def read_policy(path: Path | None) -> Policy:
    """Return the policy of a file, the default policy where none is named."""
    return Policy() if path is None else policy_of(_text(path), str(path))


def policy_of(text: str, source: str) -> Policy:
    """Return the policy that a text holds; ``source`` is what faults are told to be in."""
    from webhook.policy.load import PolicyError, parse_policy  # noqa: PLC0415  reads YAML

    try:
        return parse_policy(text, source)
    except PolicyError as error:
        raise InputError(str(error)) from error


def read_view(path: Path, policy: Policy) -> ClusterView:
    """Return the view that a file holds, as ``kubectl get runtimeclasses,namespaces,… -o yaml`` prints it."""
    with _told():
        found = list(read_documents(_text(path), str(path)))
    contents = (document.content for document in found)
    view = view_of(contents, known_plugins(policy), policy.is_gpu_resource)
    return view if policy.setbacks.plugins else replace(view, setbacks=NO_SETBACKS)


def read_files(names: Iterable[str], pattern: str = "*") -> Iterator[Manifest]:
    """Yield the documents of files, of the manifests in folders (by name), and of standard input (``-``).

    ``pattern`` says which files of a folder: ``*`` those in it, ``**/*`` those below it, too.
    """
    for name in names:
        if name == "-":
            yield from _manifests(_stdin(), "stdin")
        else:
            for path in _files(Path(name), pattern):
                yield from _manifests(_text(path), str(path))


def examples() -> Path:
    """Return the folder of the shipped examples: the checkout's, or the installed package's."""
    package = Path(__file__).parents[2]
    folders = (package.parent / "deploy" / "examples", package / "examples")
    return next(folder for folder in folders if folder.is_dir())


def _files(path: Path, pattern: str) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(item for item in path.glob(pattern) if item.suffix in MANIFEST_SUFFIXES and item.is_file())
    if not found:
        raise InputError(f"{path}: no file in this folder ends in {', '.join(MANIFEST_SUFFIXES)}")
    return found


def _manifests(text: str, source: str) -> Iterator[Manifest]:
    with _told():
        yield from read_manifests(text, source)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ManifestError as error:
        raise InputError(str(error)) from error


def _text(path: Path) -> str:
    with _read(str(path)):
        return path.read_text(encoding="utf-8")


def _stdin() -> str:
    # As a file is read, whatever the locale says: what kubectl and Helm print is UTF-8.
    with _read("stdin"):
        return sys.stdin.buffer.read().decode("utf-8").replace("\r\n", "\n")


@contextmanager
def _read(source: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: not UTF-8 text") from error
    except OSError as error:
        raise InputError(f"{source}: {error.strerror or error}") from error
