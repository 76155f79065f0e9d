"""The rights that the manifests grant to the webhook, one by one, and its requests to the API server."""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from e2e.control_plane import ControlPlane
from e2e.direct_api import MERGE_PATCH, DirectApi
from e2e.installation import MANIFEST, NAME
from e2e.processes import until

ACCOUNT = f"system:serviceaccount:{NAME}:{NAME}"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
REPAIR = MANIFEST.with_name("repair-evict.yaml")
FORBIDDEN = 403


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One verb on one resource (``pods/eviction`` for a part of one); without name or namespace on all of them."""

    verb: str
    group: str
    resource: str
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        """Return the right as one word."""
        return "-".join(part for part in (self.verb, self.resource.replace("/", "-"), self.name) if part)

    def covers(self, asked: "Right") -> bool:
        """Whether a request, written as the right that it needs, is allowed by this one."""
        same = (self.verb, self.group, self.resource) == (asked.verb, asked.group, asked.resource)
        return same and self.name in ("", asked.name) and self.namespace in ("", asked.namespace)


def roles() -> list[dict[str, Any]]:
    """Return the Roles and ClusterRoles of both manifests."""
    documents = (document for path in (MANIFEST, REPAIR) for document in yaml.safe_load_all(path.read_text()))
    return [document for document in documents if document and document["kind"] in ("Role", "ClusterRole")]


def rights_of(role: dict[str, Any]) -> Iterator[Right]:
    """Yield what a role grants."""
    namespace = role["metadata"].get("namespace", "")
    for rule in role["rules"]:
        names = rule.get("resourceNames", [""])
        parts = itertools.product(rule["verbs"], rule["apiGroups"], rule["resources"], names)
        yield from (Right(*part, namespace) for part in parts)


GRANTED = frozenset(right for role in roles() for right in rights_of(role))


@contextmanager
def without(api: DirectApi, right: Right) -> Iterator[None]:
    """Remove one right until the context ends."""
    held = next(role for role in roles() if right in set(rights_of(role)))
    _grant(api, held, [_rule(other) for other in rights_of(held) if other != right])
    try:
        until(lambda: not is_allowed(api, right), f"{right} is taken away")
        yield
    finally:
        _grant(api, held, held["rules"])
    until(lambda: is_allowed(api, right), f"{right} is given back")


def _grant(api: DirectApi, role: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    namespace, name = role["metadata"].get("namespace"), role["metadata"]["name"]
    place = f"namespaces/{namespace}/roles" if namespace else "clusterroles"
    status, answer = api.call("PATCH", f"{RBAC}/{place}/{name}", {"rules": rules}, MERGE_PATCH)
    assert status == 200, answer


def _rule(right: Right) -> dict[str, Any]:
    rule = {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]}
    return rule | ({"resourceNames": [right.name]} if right.name else {})


def is_allowed(api: DirectApi, right: Right) -> bool:
    """Ask the API server whether the webhook has a right."""
    resource, _, part = right.resource.partition("/")
    wanted = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": part}
    wanted |= {"name": right.name, "namespace": right.namespace}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    status, answer = api.call("POST", REVIEWS, review | {"spec": {"user": ACCOUNT, "resourceAttributes": wanted}})
    assert status == 201, answer
    allowed: bool = answer["status"]["allowed"]
    return allowed


class Asked:
    """The requests of the webhook's account since this object was made, from the API server's audit log."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane, self._since = plane, plane.audit_end()

    def used(self) -> frozenset[Right]:
        """Return the granted rights that allowed something."""
        return _covering(asked for asked, code in self._requests() if code != FORBIDDEN)

    def refused(self) -> frozenset[Right]:
        """Return what was forbidden: as granted rights where one of them would have allowed it."""
        refused = [asked for asked, code in self._requests() if code == FORBIDDEN]
        return _covering(refused) | {asked for asked in refused if not _covering([asked])}

    def _requests(self) -> Iterator[tuple[Right, int]]:
        for event in self._plane.audit_events(self._since):
            if event["user"]["username"] == ACCOUNT and "resource" in event.get("objectRef", {}):
                yield _asked(event["verb"], event["objectRef"]), event.get("responseStatus", {}).get("code", 0)


def _asked(verb: str, reference: dict[str, str]) -> Right:
    resource = "/".join(part for part in (reference["resource"], reference.get("subresource")) if part)
    group, name, namespace = (reference.get(key, "") for key in ("apiGroup", "name", "namespace"))
    # A Namespace is in itself, says the audit log.
    return Right(verb, group, resource, name, "" if resource == "namespaces" else namespace)


def _covering(requests: Iterable[Right]) -> frozenset[Right]:
    return frozenset(right for asked in requests for right in GRANTED if right.covers(asked))
