"""Objects from text, as kubectl reads them."""

import pytest

from webhook.kube.manifests import ManifestError, read_documents, read_manifests
from webhook.view.projections import view_of
from webhook.view.view import ClusterView, RuntimeClass

LIST = """
apiVersion: v1
kind: List
items:
- {apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: nvidia}, handler: nv}
- {apiVersion: v1, kind: Namespace, metadata: {name: ml, labels: {a: b}}}
- {apiVersion: v1, kind: Node, metadata: {name: n1}}
- {apiVersion: apps/v1, kind: Namespace, metadata: {name: not-one}}
"""
DOCUMENTS = """# a comment
---
apiVersion: v1
kind: Namespace
metadata: {name: ml, labels: null, creationTimestamp: 2026-01-01T00:00:00Z}
---
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: nvidia}
handler: nv
"""
TYPED = """{
\t"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClassList",
\t"items": [{"metadata": {"name": "nvidia"}, "handler": "nv"}]
}"""
CLASSES = {"nvidia": RuntimeClass("nvidia", "nv")}


@pytest.mark.parametrize(
    ("text", "view"),
    [
        (LIST, ClusterView(CLASSES, {"ml": {"a": "b"}})),
        (DOCUMENTS, ClusterView(CLASSES, {"ml": {}})),
        (TYPED, ClusterView(CLASSES, None)),
        ("", ClusterView(None, None)),
    ],
)
def test_a_view_is_read_from_what_kubectl_prints(text: str, view: ClusterView) -> None:
    """A List, documents, or a typed list; unknown objects are passed over, and what is not there is unknown."""
    found = view_of(item.content for item in read_documents(text, "view.yaml"))
    assert (found.runtime_classes, found.namespaces) == (view.runtime_classes, view.namespaces)


def test_a_list_may_hold_lists() -> None:
    """As kubectl reads them; each object has its place."""
    text = (
        "kind: List\nitems:\n- kind: List\n  items: [{kind: A}, {kind: BList, items: [{}]}]\n- {kind: C}\n- {kind: 3}\n"
    )
    found = [(item.content["kind"], item.pointer) for item in read_documents(text, "x")]
    places = ["/items/0/items/0", "/items/0/items/1/items/0", "/items/1", "/items/2"]
    assert found == list(zip(["A", "B", "C", 3], places, strict=True))


def test_a_time_stays_text() -> None:
    """YAML would make a date of it, which JSON cannot carry."""
    (item,) = read_documents(DOCUMENTS.partition("---\n---")[0], "x")
    assert item.content["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("!!binary aGVsbG8=", "hello"),
        ("!!binary gA==", "\ufffd"),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("!!omap [a: 1]", [{"a": 1}]),
        ("!!pairs [a: 1]", [{"a": 1}]),
    ],
)
def test_every_value_is_one_of_json(value: str, read: object) -> None:
    """As kubectl reads them: a review is JSON."""
    (item,) = read_documents(f"kind: A\nvalue: {value}\n", "x")
    assert item.content["value"] == read


def test_a_document_knows_its_line() -> None:
    """Errors lead to the place."""
    assert [item.line for item in read_documents(DOCUMENTS, "x")] == [3, 8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "x.yaml:2: document 1: not YAML: "),
        ("a: b\n\tc: d\n", "x.yaml:2: document 1: not YAML: "),
        ('{"a": \n}', "x.yaml:2: document 1: not JSON: "),
        ("- a\n", "x.yaml:1: document 1: a Kubernetes object is needed"),
        ("apiVersion: v1\nkind: Pod\n---\njust text\n", "x.yaml:4: document 2: a Kubernetes object is needed"),
        ("kind: 3\n", "x.yaml:1: document 1: a Kubernetes object is needed"),
        ("kind: List\nitems: [1]\n", "x.yaml:1: document 1: items[0]: a Kubernetes object is needed"),
        ("{kind: Pod", "x.yaml:1: document 1: not JSON: "),
        ("[" * 20_000, "x.yaml:"),
        ('{"kind": "A", "a": ' + "1" * 5_000 + "}", "x.yaml:1: document 1: a number has too many digits"),
        ("kind: List\nitems: [{kind: List, items: [1]}]\n", "x.yaml:1: document 1: items[0]: a Kubernetes"),
        ("a: !!python/object:os.system {}\n", "x.yaml:1: document 1: a Kubernetes object is needed"),
    ],
)
def test_what_is_no_object_is_refused_with_its_place(text: str, message: str) -> None:
    """Source, line and why."""
    for read in (read_documents, read_manifests):
        with pytest.raises(ManifestError) as error:
            list(read(text, "x.yaml"))
        assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        (DOCUMENTS, [None, "---\n", None]),
        (TYPED, [TYPED]),
        ("", [""]),
        ("# nothing\n", ["# nothing\n"]),
        ("# lead\nkind: A\n# last\n...\n# after\n---  # x\nkind: B", ["# lead\nkind: A\n# last\n...\n# after\n", None]),
        ("{kind: A}\n---\n{kind: B}\n", ["{kind: A}\n", None]),
        ("kind: A\ntext: |\n  ---\n  b\n", ["kind: A\ntext: |\n  ---\n  b\n"]),
        ("%YAML 1.1\n---\nkind: É\n---\nkind: B\n", [None, "---\nkind: B\n"]),
    ],
)
def test_a_text_is_cut_into_its_documents(text: str, texts: list[str | None]) -> None:
    """Nothing is lost between them, and each object is in the document in which it stands."""
    found = list(read_manifests(text, "x"))
    assert "".join(manifest.text for manifest in found) == text
    assert [manifest.text for manifest, known in zip(found, texts, strict=True) if known is not None] == [
        known for known in texts if known is not None
    ]
    objects = [item for manifest in found for item in manifest.objects]
    assert [(item.content, item.line, item.pointer) for item in objects] == [
        (item.content, item.line, item.pointer) for item in read_documents(text, "x")
    ]
