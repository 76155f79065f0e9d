"""What kubectl asks the API server, without a process for each call: the tests make thousands of them."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from e2e.direct_api import Answer, DirectApi

DISCOVERY = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
# As kubectl's: an unknown field is an error.
STRICT = {"fieldValidation": "Strict", "fieldManager": "e2e"}
DRY_RUN = {"dryRun": "All"}


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that the API server serves, with all its names."""

    api_version: str
    plural: str
    kind: str
    namespaced: bool
    names: frozenset[str]

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Return the path of an object, without a name of all; without a namespace of all namespaces."""
        root = "/apis" if "/" in self.api_version else "/api"
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}/{self.api_version}{place}/{self.plural}" + (f"/{name}" if name else "")


# What each API server serves, by the kubeconfig.
_served: dict[Path, list[Resource]] = {}


def created(kubeconfig: Path, manifest: Mapping[str, Any], *flags: str) -> Answer:
    """Create an object, with kubectl's flags. Raises OSError and HTTPException where no answer comes."""
    given = _parsed(flags)
    query = urlencode(STRICT | (DRY_RUN if given.dry_run == "server" else {}))
    with DirectApi(kubeconfig) as api:
        path = _resource_of(api, kubeconfig, manifest).path(manifest["metadata"].get("namespace", "default"))
        return api.ask("POST", f"{path}?{query}", json.dumps(manifest), headers=_impersonation(given))


def stored_in_dry_run(kubeconfig: Path, manifest: Mapping[str, Any]) -> Answer:
    """Create an object or replace the one that is there, in a dry-run. Raises as ``created`` does."""
    query, metadata = urlencode(STRICT | DRY_RUN), manifest["metadata"]
    with DirectApi(kubeconfig) as api:
        resource, namespace = _resource_of(api, kubeconfig, manifest), metadata.get("namespace", "default")
        path = resource.path(namespace, metadata["name"])
        there = api.ask("GET", path)
        if there.status != 200:
            return api.ask("POST", f"{resource.path(namespace)}?{query}", json.dumps(manifest))
        version = there.object["metadata"]["resourceVersion"]
        changed = {**manifest, "metadata": {**metadata, "resourceVersion": version}}
        return api.ask("PUT", f"{path}?{query}", json.dumps(changed))


def found(kubeconfig: Path, *arguments: str) -> Answer:
    """Read an object, or a List of objects, with kubectl's arguments. Raises as ``created`` does."""
    given = _parsed(arguments)
    kinds, _, name = given.resource.partition("/")
    with DirectApi(kubeconfig) as api:
        answers = [_one_kind(api, kubeconfig, kind, given.name or name, given) for kind in kinds.split(",")]
    failed = [answer for answer in answers if answer.status != 200]
    if failed or "items" not in answers[0].object:
        return [*failed, *answers][0]
    items = [item for answer in answers for item in _items(answer.object)]
    return Answer(200, [], json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode())


def _one_kind(api: DirectApi, kubeconfig: Path, kind: str, name: str, given: Namespace) -> Answer:
    resource = _find(api, kubeconfig, lambda one: kind.lower() in one.names, kind)
    namespace = None if given.all_namespaces else given.namespace or "default"
    selectors = {"labelSelector": given.selector, "fieldSelector": given.field_selector}
    query = urlencode({key: value for key, value in selectors.items() if value})
    return api.ask("GET", f"{resource.path(namespace, name)}?{query}", headers=_impersonation(given))


def _items(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return a list's objects; the API server names version and kind of the list alone."""
    names = {"apiVersion": answer["apiVersion"], "kind": answer["kind"].removesuffix("List")}
    return ({**names, **item} for item in answer["items"])


def _parsed(arguments: tuple[str, ...]) -> Namespace:
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("resource", nargs="?")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--namespace", "-n")
    parser.add_argument("--all-namespaces", "-A", action="store_true")
    parser.add_argument("--selector", "-l")
    parser.add_argument("--field-selector")
    parser.add_argument("--dry-run", choices=["server"])
    parser.add_argument("--as", dest="user")
    parser.add_argument("--as-group", dest="group")
    return parser.parse_args(arguments)


def _impersonation(given: Namespace) -> dict[str, str]:
    named = {"Impersonate-User": given.user, "Impersonate-Group": given.group}
    return {header: value for header, value in named.items() if value}


def _resource_of(api: DirectApi, kubeconfig: Path, manifest: Mapping[str, Any]) -> Resource:
    kind = (manifest["apiVersion"], manifest["kind"])
    return _find(api, kubeconfig, lambda one: (one.api_version, one.kind) == kind, kind)


def _find(api: DirectApi, kubeconfig: Path, wanted: Callable[[Resource], bool], name: object) -> Resource:
    """Return the first resource that is wanted; ask what is served when it is not known, or not yet."""
    known = next(filter(wanted, _served.get(kubeconfig, ())), None)
    if known:
        return known
    _served[kubeconfig] = [*_discovered(api, "/api"), *_discovered(api, "/apis")]
    resource = next(filter(wanted, _served[kubeconfig]), None)
    if resource is None:
        raise LookupError(f"the API server serves no {name}")
    return resource


def _discovered(api: DirectApi, path: str) -> Iterator[Resource]:
    for group in api.ask("GET", path, headers=DISCOVERY).object["items"]:
        domain = group["metadata"].get("name")
        for version in group["versions"]:
            api_version = f"{domain}/{version['version']}" if domain else version["version"]
            for one in version["resources"]:
                names = {one["resource"], one["singularResource"], *one.get("shortNames", ())}
                names |= {f"{one['resource']}.{domain}"} if domain else set()
                namespaced = one["scope"] == "Namespaced"
                kind = one["responseKind"]["kind"]
                yield Resource(api_version, one["resource"], kind, namespaced, frozenset(names))
