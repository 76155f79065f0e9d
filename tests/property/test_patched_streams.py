"""``preview -o yaml`` over generated streams in many layouts: the same documents, patched, and all other lines kept."""

import json
import re
from random import Random
from typing import Any

import jsonpatch
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from support.kept_lines import lost_lines
from support.pods import gpu_pods
from support.yaml_layouts import BASE, BASE_KEY, BLOCKS, TEXTS, Author, joined

from webhook.commands.patched_stream import patched_stream
from webhook.decide.patch import Operation, add, add_items
from webhook.decide.pod import containers
from webhook.decide.workload.patch_runtime_class import inject_operations
from webhook.kube.manifests import Manifest, read_manifests
from webhook.policy.model import Policy

POLICIES = st.builds(Policy, driver_capabilities=st.sampled_from(["", "compute"]), add_toleration=st.booleans())
SEEDS = st.integers(0, 1 << 32)
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "---\n", "b": "x"}}


class Reference(yaml.SafeLoader):
    """PyYAML itself, which reads unknown tags as if they were not there."""


def _unknown(loader: yaml.Loader, _suffix: str, node: yaml.Node) -> object:
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


Reference.add_multi_constructor("!", _unknown)


@st.composite
def written_pods(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """Draw a GPU pod with odd texts, and a text as an author could have written it."""
    random = Random(draw(SEEDS))  # noqa: S311  layouts, no secrets
    pod = json.loads(json.dumps(draw(gpu_pods())))
    for container in pod["spec"]["containers"]:
        container["args"] = random.sample(TEXTS, 2) + random.sample(BLOCKS, random.randint(0, 1))
        if random.random() < 0.3:
            container["script"] = random.choice(BLOCKS)
        if random.random() < 0.3:
            container.update(BASE)
    if random.random() < 0.5:
        pod = {"apiVersion": "v1", BASE_KEY: BASE, **pod}
    return pod, Author(random).write(pod)


def operations_of(pod: dict[str, Any], policy: Policy) -> list[Operation]:
    """Return operations as both decisions write them: the class and variables, volumes, and a security context."""
    operations = list(inject_operations(pod, containers(pod, policy), policy))
    operations += add_items("/spec/volumes", pod["spec"].get("volumes"), [{"name": "v", "hostPath": {"path": "/x: y"}}])
    operations.append(add("/spec/containers/0/securityContext", {"privileged": True}))
    return operations


def patched(text: str, policy: Policy) -> tuple[str, list[Any], list[str]]:
    """Return the output, the expected documents, and the notes about documents that were rendered again."""
    notes: list[str] = []
    manifests = list(read_manifests(text, "x"))

    def operations(manifest: Manifest) -> list[Operation]:
        is_pod = isinstance(manifest.value, dict) and manifest.value.get("kind") == "Pod"
        return operations_of(manifest.value, policy) if is_pod else []

    expected = [
        jsonpatch.JsonPatch(json.loads(json.dumps(operations(one)))).apply(one.value)
        for one in manifests
        if one.value is not None
    ]
    return patched_stream(manifests, operations, notes.append), expected, notes


LATER_MARK = re.compile("(---\r?\n)\ufeff")


def referred(text: str) -> list[Any]:
    """Return the documents as PyYAML reads them; it takes a byte order mark at a later document for content."""
    return [one for one in yaml.load_all(LATER_MARK.sub(r"\1", text), Reference) if one is not None]


@given(
    st.lists(st.one_of(written_pods(), st.just((CONFIG_MAP, yaml.safe_dump(CONFIG_MAP)))), min_size=1, max_size=3),
    SEEDS,
    POLICIES,
)
def test_any_stream_is_the_same_documents_patched(
    documents: list[tuple[dict[str, Any], str]], seed: int, policy: Policy
) -> None:
    """PyYAML, which shares no code with the editor, reads what was meant from the output."""
    text = joined([written for _, written in documents], Random(seed))  # noqa: S311  layouts, no secrets
    read = [manifest.value for manifest in read_manifests(text, "x") if manifest.value is not None]
    assert referred(text) == read
    assert len(read) == len(documents)
    output, expected, _ = patched(text, policy)
    assert referred(output) == expected
    markers = [line for line in output.splitlines() if line.removeprefix("\ufeff").startswith("---")]
    # kubectl rejects content on the line of a marker.
    assert all(line.removeprefix("\ufeff")[3:].strip()[:1] in ("", "#") for line in markers)


@given(written_pods(), st.booleans(), POLICIES)
def test_only_the_lines_of_the_patch_change(
    document: tuple[dict[str, Any], str],
    windows: bool,  # noqa: FBT001
    policy: Policy,
) -> None:
    """In any layout in which no alias repeats a patched place."""
    text = document[1].replace("\n", "\r\n") if windows else document[1]
    output, _, notes = patched(text, policy)
    assume("*a" not in text)
    assert (notes, lost_lines(text, output)) == ([], [])
    assert windows == ("\r\n" in output) or "\n" not in output.rstrip("\n")


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [("a\nb\n", "a\nb c\n", []), ("a\nb\n", "a\n", ["b\n"]), ("a  b\n", "a b\n", ["a  b\n"])],
)
def test_the_measure_sees_a_line_that_was_rewritten(before: str, after: str, lost: list[str]) -> None:
    """A line may only get more text."""
    assert lost_lines(before, after) == lost
