"""The files that commands read: policy, view and manifests. Errors become messages of the command line."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from webhook.kube.manifests import TEMPLATE_HINT, Manifest, ManifestError, read_manifests
from webhook.policy.model import Policy

if TYPE_CHECKING:
    from rich.progress import Progress

MANIFEST_SUFFIXES = (".yaml", ".yml", ".json")
# A shorter text is read before a user could see a bar.
SHOWN_LENGTH = 1 << 20
# Only manifests have these keys at the top: such a file is not skipped if it has a mistake.
OBJECT_KEY = re.compile(r"""(?m)^["']?(kind|apiVersion)["']?:""")
OBJECT_KEYS = tuple(re.compile(rf"""(?m)^["']?{key}["']?:""") for key in ("kind", "apiVersion"))
JSON_KEYS = tuple(re.compile(rf'"{key}"\s*:') for key in ("kind", "apiVersion"))
# Expressions of templates that are valid YAML because they are within quotes.
UNRENDERED = re.compile(r"\{\{-?\s*\.(Values|Release|Chart)\b|\{%-?\s*(if|for|set|endif|endfor)\b")


class InputError(click.ClickException):
    """A file that cannot be used. The exit code is 2, as kubectl diff's for trouble."""

    exit_code = 2


def read_policy(path: Path | None) -> Policy:
    """Return the policy of a file; the default policy without a file."""
    return Policy() if path is None else policy_of(file_text(path), str(path))


def policy_of(text: str, source: str) -> Policy:
    """Return the policy that a text holds; ``source`` is where errors are, for people."""
    from webhook.policy.load import PolicyError, parse_policy  # noqa: PLC0415  reads YAML

    try:
        return parse_policy(text, source)
    except PolicyError as error:
        raise InputError(str(error)) from error


def read_files(names: Iterable[str], progress: "Progress | None" = None) -> Iterator[Manifest]:
    """Yield the documents of files, of the manifests in folders (by name), and of standard input (``-``)."""
    for name in names:
        if name == "-":
            yield from _manifests(stdin_text(), "stdin", progress)
        else:
            for path in _files(Path(name), "*"):
                yield from _manifests(file_text(path), str(path), progress)


def read_tree(names: Iterable[str], skipped: Callable[[str], None], progress: "Progress") -> Iterator[Manifest]:
    """Yield the documents as ``read_files``, of all folders below the named ones, too.

    A file in a folder that holds no manifests is skipped: values, a kustomization, or a template that was not rendered.
    ``skipped`` gets a line for each.
    """
    for name in names:
        path = Path(name)
        if name == "-" or not path.is_dir():
            yield from read_files([name], progress)
            continue
        for file in _files(path, "**/*"):
            text = file_text(file)
            try:
                manifests = list(_advancing(read_manifests(text, str(file)), text, str(file), progress))
            except ManifestError as error:
                if not is_no_manifest(error, text):
                    raise InputError(str(error)) from error
                skipped(str(error))
                continue
            if file.stem == "kustomization":
                skipped(f"{file}: a kustomization: `kubectl kustomize` prints its manifests")
            elif _is_foreign(manifests):
                skipped(f"{file}: not of Kubernetes: it has a kind, but neither apiVersion nor metadata")
            else:
                _hint_at_template(text, str(file))
                yield from manifests


def is_no_manifest(error: ManifestError, text: str) -> bool:
    """Say whether a file is not meant as a manifest. A manifest with a mistake still counts as one."""
    if error.is_template:
        return True
    if error.is_foreign:
        # Another document of the file may be an object.
        return not all(key.search(text) for key in OBJECT_KEYS)
    return not OBJECT_KEY.search(text) and not all(key.search(text) for key in JSON_KEYS)


def _is_foreign(manifests: Iterable[Manifest]) -> bool:
    """Say whether no document is an object of Kubernetes, such as values that have a ``kind``."""
    objects = [one.content for manifest in manifests for one in manifest.objects]
    return bool(objects) and not any("apiVersion" in one or "metadata" in one for one in objects)


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


def _manifests(text: str, source: str, progress: "Progress | None") -> Iterator[Manifest]:
    with _as_input_error():
        yield from _advancing(read_manifests(text, source), text, source, progress)
    _hint_at_template(text, source)


def _hint_at_template(text: str, source: str) -> None:
    if UNRENDERED.search(text):
        click.echo(f"{source}: expressions of a template were read as text; {TEMPLATE_HINT}", err=True)


def _advancing(
    manifests: Iterator[Manifest], text: str, source: str, progress: "Progress | None"
) -> Iterator[Manifest]:
    """Yield manifests, and show how much of the text has been read."""
    if progress is None or len(text) < SHOWN_LENGTH:
        yield from manifests
        return
    task = progress.add_task(f"read {Path(source).name}", total=len(text))
    for manifest in manifests:
        progress.advance(task, len(manifest.text))
        yield manifest


@contextmanager
def _as_input_error() -> Iterator[None]:
    try:
        yield
    except ManifestError as error:
        raise InputError(str(error)) from error


def file_text(path: Path) -> str:
    """Return the text of a file, with its line ends. Raises InputError."""
    with _read(str(path)):
        # Line ends stay as they are: what is not patched comes out byte for byte.
        return path.read_bytes().decode("utf-8")


def stdin_text() -> str:
    """Return the text of standard input. Raises InputError."""
    # As a file is read, whatever the locale says: what kubectl and Helm print is UTF-8.
    if sys.stdin is None:
        raise InputError("stdin: it is closed")
    with _read("stdin"):
        return sys.stdin.buffer.read().decode("utf-8")


@contextmanager
def _read(source: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: not UTF-8 text") from error
    except OSError as error:
        raise InputError(f"{source}: {error.strerror or error}") from error
