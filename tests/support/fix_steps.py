"""What is wrong with the steps of a fix, as programs get them: commands with prose in them, and broken manifests."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from itertools import groupby

import yaml

from webhook.commands.shared.json_output import PLACEHOLDER, PROGRAMS, fixes

FILTERS = {"grep"}
VERBS = {
    "helm": {"install", "upgrade"},
    "kubectl": {
        *("apply", "delete", "describe", "edit", "get", "label", "logs", "patch", "replace", "rollout", "scale"),
        "uncordon",
    },
}
PROSE = frozenset({"a", "and", "if", "it", "its", "of", "or", "so", "that", "the", "then", "this", "to", "with"})
# The first key of a manifest: of an object, or of the policy.
KEYS = {"apiVersion", "bootstrap", "drivers", "resources"}
OPERATORS = {"|", ";", "&&"}


def wrong_steps(fix: Iterable[str]) -> list[str]:
    """Return what is wrong with the steps of a fix."""
    return [f"{step}: {wrong}" for step in fixes(fix) for wrong in _wrong_step(step)]


def _wrong_step(step: dict[str, str]) -> Iterator[str]:
    text, command, manifest = step["text"], step.get("command", ""), step.get("manifest", "")
    if text.split()[0] in PROGRAMS and not command and not PLACEHOLDER.search(text):
        yield "its command is missing"
    if text.startswith(("- ", "[", "#")):
        yield "it is a file's content"
    if command:
        yield from _wrong_command(command)
    if manifest:
        content = tomllib.loads(manifest) if manifest.startswith("#") else yaml.safe_load(manifest)
        if not manifest.startswith("#") and next(iter(content)) not in KEYS:
            yield "the manifest is no manifest"


def _wrong_command(command: str) -> Iterator[str]:
    read = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
    if read.returncode:
        yield read.stderr
    words = list(shlex.shlex(command, posix=True, punctuation_chars=True))
    for is_operator, part in groupby(words, key=OPERATORS.__contains__):
        if not is_operator:
            yield from _wrong_words(list(part))


def _wrong_words(words: list[str]) -> Iterator[str]:
    program, *rest = words
    if program not in PROGRAMS | FILTERS:
        yield f"{program} is no command"
    if found := PROSE.intersection(words):
        yield f"prose: {found}"
    if replaced := {word for word in rest if re.fullmatch(r"(?:[\w.-]+[=/])?[A-Z]{3,}-?", word)}:
        yield f"to be replaced: {replaced}"
    rest = rest[2:] if rest[:1] == ["-n"] else rest
    if rest[0] not in VERBS.get(program, rest[:1]):
        yield f"{rest[0]} is no verb of {program}"
