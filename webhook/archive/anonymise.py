"""Names replaced by hashes: one name becomes the same hash everywhere in an archive, and another one in the next."""

import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from webhook.archive.archive import ApiObject, Archive
from webhook.archive.kept_reports import REPORT_WORDS
from webhook.kube.metadata import labels_of, metadata, name_of
from webhook.kube.values import items, mapping, text
from webhook.nvidia.known_plugins import KNOWN_PLUGINS
from webhook.view.node_facts_pods import NAME as FACTS_NAME

# Kinds whose names people choose for what they do.
NAMED = frozenset(
    {
        *("Node", "Namespace", "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"),
        *("Job", "CronJob", "Event", "ResourceSlice"),
    }
)
# Names that everybody has: checks look for them.
COMMON = frozenset(
    {
        *("default", "kube-system", "kube-public", "kube-node-lease", "gpu-injector", "gpu-operator", "nvidia"),
        *("gpu-operator-resources", "nvidia-device-plugin", "node-feature-discovery", FACTS_NAME),
        *(plugin.value for plugin in KNOWN_PLUGINS),
        *REPORT_WORDS,
    }
)
SHORTEST = 3
HASH_CHARACTERS = 10
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def anonymise(archive: Archive, salt: bytes, keep: Iterable[str] = ()) -> Archive:
    """Return the archive with hashes for the names of nodes, namespaces and workloads; ``keep`` are names to leave."""
    kept = {*COMMON, *keep}
    names = {name for item in archive.objects for name in _names(item) if len(name) >= SHORTEST} - kept
    hashes = {name: _hash(name, salt) for name in names}

    def plain(value: str) -> str:
        return NAME.sub(lambda found: _replaced(found[0], hashes), value)

    return replace(
        archive,
        objects=tuple(_walked(item, plain) for item in archive.objects),
        answers={plain(path): status for path, status in archive.answers.items()},
        texts={plain(path): plain(log) for path, log in archive.texts.items()},
        facts=_walked(archive.facts, plain),
    )


def _replaced(word: str, hashes: Mapping[str, str]) -> str:
    if word in hashes:
        return hashes[word]
    # A message ends a name with a full stop, and the name of an Event begins with its pod's.
    for end in (word.find("."), word.rfind(".")):
        if end > 0 and word[:end] in hashes:
            return hashes[word[:end]] + word[end:]
    return word


def _names(item: ApiObject) -> Iterator[str]:
    if item.get("kind") not in NAMED:
        return
    about = metadata(item)
    yield from (name_of(item), text(about.get("namespace")), text(about.get("generateName")).rstrip("-"))
    yield from (text(owner.get("name")) for owner in items(about.get("ownerReferences")))
    spec, about_event = mapping(item.get("spec")), mapping(item.get("involvedObject"))
    yield from (text(spec.get("nodeName")), text(spec.get("serviceAccountName")))
    yield from (text(about_event.get("name")), text(about_event.get("namespace")))
    yield from _label_values(item)


def _label_values(item: ApiObject) -> Iterator[str]:
    labels = labels_of(item)
    if item.get("kind") == "Node":
        yield labels.get("kubernetes.io/hostname", "")
    elif item.get("kind") == "Namespace":
        yield labels.get("kubernetes.io/metadata.name", "")


def _hash(name: str, salt: bytes) -> str:
    return "x" + hmac.new(salt, name.encode(), "sha256").hexdigest()[:HASH_CHARACTERS]


def _walked(value: Any, plain: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {key: _walked(part, plain) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_walked(part, plain) for part in value]
    return plain(value) if isinstance(value, str) else value
