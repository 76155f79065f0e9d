"""What is fuzzed: one function for each reader, which takes bytes or a drawn value and raises where something is wrong.

The drawn ones are Hypothesis tests; `make test` runs a few examples of each, `make fuzz` lets coverage choose them.
"""

import asyncio
import base64
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.golden_cases import CASES, GoldenCase, read_case
from support.odd_secrets import odd_pieces
from support.pods import JSON, gpu_pods, spoilt

from certs.rotation import Schedule
from certs.secret_content import read_content, write_content
from fuzz.edge import Edge
from webhook.decide.decision import RequestInfo
from webhook.decide.nodes.table import node_rows
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.workload.decide import decide
from webhook.kube.manifests import read_documents
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.session import _event
from webhook.page.filters import Filters
from webhook.policy.load import PolicyError, parse_policy
from webhook.policy.model import Policy
from webhook.server.app import PATHS
from webhook.view.projections import view_of
from webhook.view.view import ClusterView

CORPUS = Path(__file__).with_name("corpus")
VIEW_CASES = ("inject-mig", "mount-handler-unknown", "handler-mixed", "bootstrap-nvml", "bootstrap-runtime-class")
ENTRIES = [*sorted(PATHS), "/mutate/of-tomorrow"]
SERVICE = "gpu-injector.gpu-injector.svc"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
# The namespace is dry, enabled or unknown, as chance has it.
NAMESPACES = st.sampled_from(["ml", "ml", "trial", "web", "kube-system", "elsewhere", ""])


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@cache
def _edge(case: str) -> Edge:
    folder = next(folder for folder in CASES if folder.name == case)
    golden = read_case(folder)
    return Edge(golden.view, golden.policy)


def body(data: bytes) -> None:
    """Take any bytes as a review's body: on some path, over a view in which some verdict is met."""
    chosen = zlib.crc32(data)
    edge = _edge(VIEW_CASES[chosen % len(VIEW_CASES)])
    _loop().run_until_complete(edge.check(ENTRIES[chosen // 7 % len(ENTRIES)], data))


def golden_reviews() -> list[bytes]:
    """Return the review of each golden pod."""
    return [_review(read_case(folder)) for folder in CASES]


def _review(case: GoldenCase) -> bytes:
    request = {
        "uid": "1",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "subResource": case.facts.subresource,
        "namespace": case.facts.namespace,
        "operation": case.facts.operation,
        "userInfo": {"username": case.facts.username},
        "object": case.pod,
        "oldObject": case.pod if case.facts.operation == "UPDATE" else None,
    }
    return orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def policy_file(data: bytes) -> None:
    """Take any text as a policy file: a Policy, or a PolicyError that names the file."""
    try:
        parse_policy(data.decode(errors="replace"), "policy.yaml")
    except PolicyError as error:
        assert str(error).startswith("policy.yaml:")  # noqa: PT017 - an invariant of the message


KEYS = sorted(field.alias or name for name, field in Policy.model_fields.items())


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), JSON | st.lists(st.text(max_size=9)), max_size=4))
def policy(document: dict[str, Any]) -> None:
    """Take policies with any values under the keys that there are."""
    policy_file(yaml.safe_dump(document, allow_unicode=True).encode())


@cache
def _objects() -> list[dict[str, Any]]:
    """Return every object of the golden cases' views, each kind and shape among them."""
    files = [folder / "view.yaml" for folder in CASES if (folder / "view.yaml").exists()]
    documents = (document.content for file in files for document in read_documents(file.read_text(), str(file)))
    found = {orjson.dumps(item): item for item in documents}
    return [found[key] for key in sorted(found)]


def _copies() -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(_objects()).map(lambda item: orjson.loads(orjson.dumps(item)))


@given(st.lists(_copies() | spoilt(_copies()), min_size=1, max_size=6), gpu_pods(), NAMESPACES)
def view(objects: list[dict[str, Any]], pod: dict[str, Any], namespace: str) -> None:
    """Take objects of a cluster, one place of some of them odd: a view, and a decision from it, whatever they hold."""
    seen: ClusterView = view_of(objects)
    decide(pod, RequestInfo(namespace), Policy(), seen)
    decide_plugin(pod, RequestInfo("kube-system"), Policy(), seen)
    for row in node_rows(seen, Policy()):
        orjson.dumps(row.to_json())


def event(data: bytes) -> None:
    """Take any bytes as a line of a watch: an event, or the error by which connection or list count as lost."""
    try:
        found = _event(data)
    except (ConnectionError, ApiError):
        return
    view_of([found["object"]])


@given(
    odd_pieces(("gpu-injector.gpu-injector.svc",), NOW, Schedule()), st.dictionaries(st.text(max_size=4), JSON), JSON
)
def secret(pieces: Mapping[str, bytes], annotations: Mapping[str, Any], odd: object) -> None:
    """Take any content of the certificate Secret: material that can be written back, or a ValueError."""
    data: dict[str, object] = {key: base64.b64encode(value).decode() for key, value in pieces.items()}
    for item in (
        {"data": data, "metadata": {"annotations": annotations}},
        {"data": {**data, "ca.crt": odd}},
        {"data": odd},
    ):
        try:
            material = read_content(item)
        except ValueError:
            continue
        write_content(material, item)


@given(
    st.dictionaries(st.sampled_from(["q", "verdict", "reason", "namespace", "attention", "rows"]), st.text(max_size=9))
)
def filters(query: dict[str, str]) -> None:
    """Take any query of the page: filters whose address gives the same filters."""
    found = Filters.of(query)
    again = dict(parse_qsl(found.url().removeprefix("?")))
    assert Filters.of(again) == found


RAW: Mapping[str, Callable[[bytes], None]] = {"body": body, "policy": policy_file, "event": event}
# Their changes are made to the JSON, not to its bytes.
OF_JSON = frozenset({"body", "event"})
DRAWN: Mapping[str, Callable[[], None]] = {
    "policy-keys": policy,
    "view": view,
    "secret": secret,
    "filters": filters,
}


def seeds(target: str) -> list[bytes]:
    """Return what a raw target begins with: the corpus, and for reviews every golden pod."""
    found = [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]
    if target == "body":
        found += golden_reviews()
    if target == "event":
        found += [orjson.dumps({"type": "ADDED", "object": item}) for item in _objects()]
    return found
