"""The objects of the fake API server: revisions, history, pages, patches and selectors, as Kubernetes keeps them.

No HTTP here. Every refusal is a ``StatusError`` that carries the status and reason of the real API server.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonpatch
import orjson

from support.fake_selectors import matches

Json = dict[str, Any]
_KINDS = {
    "runtimeclasses": "RuntimeClass",
    "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet",
    "statefulsets": "StatefulSet",
    "cronjobs": "CronJob",
    "configmaps": "ConfigMap",
    "serviceaccounts": "ServiceAccount",
    "clusterpolicies": "ClusterPolicy",
    "deviceclasses": "DeviceClass",
    "resourceslices": "ResourceSlice",
    "gpuclusters": "GPUCluster",
    "validatingadmissionpolicies": "ValidatingAdmissionPolicy",
    "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
    "endpointslices": "EndpointSlice",
    "endpoints": "Endpoints",
    "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
    "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
    "customresourcedefinitions": "CustomResourceDefinition",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request points: a collection such as ``/apis/apps/v1/daemonsets``; what is not named is empty."""

    collection: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def api_version(self) -> str:
        """Return ``v1`` or ``group/version``."""
        return "/".join(self.collection.strip("/").split("/")[1:-1])

    @property
    def resource(self) -> str:
        """Return the plural, such as ``nodes``."""
        return self.collection.rsplit("/", 1)[1]

    @property
    def kind(self) -> str:
        """Return the kind that the plural stands for."""
        return _KINDS.get(self.resource) or _singular(self.resource).capitalize()


@dataclass(frozen=True, slots=True)
class Change:
    """One write, as a watch tells it: ``old`` and ``new`` are None where the object was, or is, absent."""

    revision: int
    address: Address
    old: Json | None
    new: Json | None


class StatusError(Exception):
    """An answer that is no success: the ``Status`` object that the real API server would send."""

    def __init__(self, code: int, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.code = code
        self.status = status_of(code, reason, message or reason)


def status_of(code: int, reason: str, message: str) -> Json:
    """Return a ``Status`` of kind Failure."""
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**head, "message": message, "reason": reason, "code": code}


@dataclass(slots=True)
class Store:
    """All objects by address, with one revision counter, the history that watches replay, and open list snapshots."""

    objects: dict[Address, Json] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    revision: int = 100
    oldest: int = 0
    on_change: Callable[[Change], None] | None = None
    _snapshots: dict[str, tuple[int, list[Json]]] = field(default_factory=dict)

    def compact(self) -> None:
        """Forget the past: older revisions and continue tokens answer 410 from now on."""
        self.revision += 1
        self.oldest = self.revision
        self.history.clear()
        self._snapshots.clear()

    def get(self, address: Address) -> Json:
        """Return one object; 404 where it is absent."""
        found = self.objects.get(Address(address.collection, address.namespace, address.name))
        if found is None:
            raise StatusError(404, "NotFound", f'{address.resource} "{address.name}" not found')
        return found

    def select(self, address: Address, query: Mapping[str, str]) -> list[Json]:
        """Return the objects of a collection that the selectors of the query match, ordered by namespace and name."""
        keys = sorted(
            (key for key in self.objects if key.collection == address.collection),
            key=lambda key: (key.namespace, key.name),
        )
        inside = [self.objects[key] for key in keys if address.namespace in ("", key.namespace)]
        return [item for item in inside if matches(item, query)]

    def page(self, address: Address, query: Mapping[str, str]) -> Json:
        """Return one page of a list; its later pages show the same revision, as the real one's do."""
        token = query.get("continue", "")
        if token and token not in self._snapshots:
            raise StatusError(410, "Expired", "The provided continue parameter is too old")
        revision, items = self._snapshots[token] if token else (self.revision, self.select(address, query))
        limit = int(query.get("limit") or 0) or len(items)
        metadata: Json = {"resourceVersion": str(revision)}
        if items[limit:]:
            metadata |= {"continue": uuid.uuid4().hex, "remainingItemCount": len(items[limit:])}
            self._snapshots[metadata["continue"]] = (revision, items[limit:])
        # Items of built-in lists carry neither apiVersion nor kind.
        bare = [{key: item[key] for key in item if key not in ("apiVersion", "kind")} for item in items[:limit]]
        return {"kind": f"{address.kind}List", "apiVersion": address.api_version, "metadata": metadata, "items": bare}

    def since(self, address: Address, revision: int) -> Iterator[Change]:
        """Yield the changes of a collection after a revision; 410 where they are forgotten."""
        if revision < self.oldest:
            raise StatusError(410, "Expired", f"too old resource version: {revision} ({self.oldest})")
        return (change for change in self.history if change.revision > revision and _covers(address, change.address))

    def create(self, address: Address, body: Json, *, dry_run: bool = False) -> Json:
        """Create an object; 409 where it exists."""
        new = _copy(body)
        metadata = new.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        key = Address(address.collection, address.namespace, metadata.get("name") or "")
        if not key.name:
            raise StatusError(422, "Invalid", "metadata.name: Required value: name or generateName is required")
        if key in self.objects:
            raise StatusError(409, "AlreadyExists", f'{key.resource} "{key.name}" already exists')
        if key.namespace:
            metadata["namespace"] = key.namespace
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
        return self._write(key, {"apiVersion": key.api_version, "kind": key.kind} | new, dry_run=dry_run)

    def replace(self, address: Address, body: Json, *, dry_run: bool = False) -> Json:
        """Update an object; 409 where the resourceVersion or uid that the body names is not the current one."""
        old = self.get(address)
        metadata = body.get("metadata") or {}
        if metadata.get("name") != address.name:
            raise StatusError(400, "BadRequest", "the name of the object does not match the name on the URL")
        for precondition in ("resourceVersion", "uid"):
            if metadata.get(precondition, old["metadata"][precondition]) != old["metadata"][precondition]:
                raise StatusError(409, "Conflict", f"the object has been modified ({precondition})")
        kept = {key: old["metadata"][key] for key in ("uid", "creationTimestamp", "generation", "resourceVersion")}
        kept |= {"namespace": address.namespace} if address.namespace else {}
        new = _copy(body) | {"metadata": _copy(metadata) | kept}
        if address.subresource == "status":
            new = old | {"status": new.get("status", {})}
        if new == old:
            return old
        if any(new.get(key) != old.get(key) for key in (*new, *old) if key not in ("metadata", "status")):
            new["metadata"]["generation"] += 1
        return self._write(Address(address.collection, address.namespace, address.name), new, dry_run=dry_run)

    def patch(self, address: Address, content_type: str, patch: Any, *, dry_run: bool = False) -> Json:  # noqa: ANN401
        """Apply an RFC 6902 or RFC 7396 patch; a failing ``test`` is 422, as with the real API server."""
        old = self.get(address)
        if content_type == "application/json-patch+json":
            try:
                new = jsonpatch.apply_patch(old, patch)
            except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
                raise StatusError(422, "Invalid", f"the server rejected our request: {type(error).__name__}") from error
        elif content_type == "application/merge-patch+json":
            new = merge(old, patch)
        else:
            raise StatusError(415, "UnsupportedMediaType", f"this fake has no {content_type}")
        return self.replace(address, new, dry_run=dry_run)

    def delete(self, address: Address, options: Mapping[str, Any]) -> Json:
        """Delete an object, if the preconditions of the DeleteOptions hold."""
        old = self.get(address)
        for name, wanted in (options.get("preconditions") or {}).items():
            if old["metadata"][name] != wanted:
                raise StatusError(409, "Conflict", f"the {name} in the precondition does not match")
        self.revision += 1
        # The real API server gives the last state with the revision of the deletion.
        last = old | {"metadata": old["metadata"] | {"resourceVersion": str(self.revision)}}
        del self.objects[Address(address.collection, address.namespace, address.name)]
        self._record(Change(self.revision, address, last, None))
        return last

    def _write(self, address: Address, new: Json, *, dry_run: bool) -> Json:
        if dry_run:
            return new
        old = self.objects.get(address)
        self.revision += 1
        new["metadata"]["resourceVersion"] = str(self.revision)
        self.objects[address] = new
        self._record(Change(self.revision, address, old, new))
        return new

    def _record(self, change: Change) -> None:
        self.history.append(change)
        if self.on_change:
            self.on_change(change)


def parse(path: str) -> Address:
    """Return the address that a URL path names; 404 where it is none of an API resource."""
    parts = path.strip("/").split("/")
    head = 2 if parts[0] == "api" else 3
    if parts[0] not in ("api", "apis") or len(parts) <= head:
        raise StatusError(404, "NotFound", "404 page not found")
    root, rest = "/" + "/".join(parts[:head]), parts[head:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource, *_ = [*rest, "", ""]
    return Address(f"{root}/{resource}", namespace, name, subresource)


def address_of(item: Mapping[str, Any]) -> Address:
    """Return where an object lives; one with ``metadata.namespace`` is namespaced, any other is not."""
    plurals = {kind: plural for plural, kind in _KINDS.items()}
    kind, api_version, metadata = str(item["kind"]), str(item["apiVersion"]), item["metadata"]
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    plural = plurals.get(kind) or _plural(kind.lower())
    return Address(f"{root}/{plural}", str(metadata.get("namespace") or ""), str(metadata["name"]))


def event_of(change: Change, query: Mapping[str, str]) -> Json | None:
    """Return the watch event that a watch with these selectors is sent for a change, or None."""
    before = change.old is not None and matches(change.old, query)
    after = change.new is not None and matches(change.new, query)
    if not before and not after:
        return None
    kind = ("MODIFIED" if before else "ADDED") if after else "DELETED"
    shown = change.new if after else change.old
    assert shown is not None
    return {"type": kind, "object": shown | {"metadata": shown["metadata"] | {"resourceVersion": str(change.revision)}}}


def merge(target: Any, patch: Any) -> Any:  # noqa: ANN401
    """Return an RFC 7396 merge of two JSON values."""
    if not isinstance(patch, dict):
        return patch
    base = target if isinstance(target, dict) else {}
    kept = {key: value for key, value in base.items() if key not in patch}
    return kept | {key: merge(base.get(key), value) for key, value in patch.items() if value is not None}


def _covers(watched: Address, changed: Address) -> bool:
    return (
        watched.collection == changed.collection
        and watched.namespace in ("", changed.namespace)
        and watched.name in ("", changed.name)
    )


def _copy(value: Json) -> Json:
    copied: Json = orjson.loads(orjson.dumps(value))
    return copied


def _plural(word: str) -> str:
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch")) else "s")


def _singular(plural: str) -> str:
    if plural.endswith("ies"):
        return plural[:-3] + "y"
    return plural[:-2] if plural.endswith(("sses", "xes", "ches")) else plural.removesuffix("s")
