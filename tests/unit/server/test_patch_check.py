"""The test of a patch before it is sent: the library's operations, one by one, are the library's whole patch."""

import copy
import json
from typing import Any

import jsonpatch
import pytest
from jsonpointer import JsonPointerException
from support.served import GPU_POD, review

from webhook.decide.decision import Decision, Reason, Verdict
from webhook.decide.patch import Operation
from webhook.server.admission_review import Review, check_applies, parse_review

POD = {
    "metadata": {"annotations": {"a/b": "1"}},
    "spec": {"containers": [{"name": "one", "env": [{"name": "A"}]}, {"name": "two"}]},
}
ENTRY = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}

APPLIES: dict[str, list[Operation]] = {
    "nothing": [],
    "append": [{"op": "add", "path": "/spec/containers/0/env/-", "value": ENTRY}],
    "create, then append": [
        {"op": "add", "path": "/spec/containers/1/env", "value": [ENTRY]},
        {"op": "add", "path": "/spec/containers/1/env/-", "value": ENTRY},
    ],
    "insert": [{"op": "add", "path": "/spec/containers/0", "value": {"name": "zero"}}],
    "escaped key": [{"op": "replace", "path": "/metadata/annotations/a~1b", "value": "2"}],
    "remove": [{"op": "remove", "path": "/spec/containers/0/env/0"}],
    "key with a tilde": [
        {"op": "add", "path": "/metadata/annotations/a~0b", "value": "2"},
        {"op": "test", "path": "/metadata/annotations/a~0b", "value": "2"},
    ],
    "copy": [{"op": "copy", "from": "/spec/containers/0/env", "path": "/spec/containers/1/env"}],
    "move": [{"op": "move", "from": "/spec/containers/0", "path": "/spec/containers/1"}],
    "test": [{"op": "test", "path": "/spec/containers/1/name", "value": "two"}],
}
FAILS: dict[str, list[Operation]] = {
    "below what is not there": [{"op": "add", "path": "/spec/containers/1/env/-", "value": ENTRY}],
    "beyond the list": [{"op": "add", "path": "/spec/containers/3", "value": {}}],
    "not an index": [{"op": "add", "path": "/spec/containers/x", "value": {}}],
    "remove what is not there": [{"op": "remove", "path": "/spec/hostUsers"}],
    "below a text": [{"op": "add", "path": "/spec/containers/0/name/x", "value": 1}],
    "bad escape": [{"op": "add", "path": "/metadata/annotations/a~2", "value": "1"}],
    "not a pointer": [{"op": "add", "path": "spec", "value": {}}],
    "no value": [{"op": "add", "path": "/spec/hostUsers"}],
    "no path": [{"op": "add", "value": 1}],
    "no operation": [{"path": "/spec/hostUsers", "value": 1}],
    "unknown operation": [{"op": "append", "path": "/spec/containers", "value": 1}],
    "the test fails": [{"op": "test", "path": "/spec/containers/1/name", "value": "one"}],
    "replace after the end": [{"op": "replace", "path": "/spec/containers/-", "value": {}}],
    "replace beyond the list": [{"op": "replace", "path": "/spec/containers/2", "value": {}}],
    "an index with a zero": [{"op": "add", "path": "/spec/containers/01", "value": {}}],
    "a negative index": [{"op": "add", "path": "/spec/containers/-1", "value": {}}],
    "copy what is not there": [{"op": "copy", "from": "/spec/volumes", "path": "/spec/more"}],
    "copy from nowhere": [{"op": "copy", "path": "/spec/more"}],
    "move into itself": [{"op": "move", "from": "/spec", "path": "/spec/containers"}],
    "remove the root": [{"op": "remove", "path": ""}],
    "below another root": [{"op": "replace", "path": "", "value": []}, {"op": "remove", "path": "/spec"}],
    "only the last": [{"op": "remove", "path": "/spec"}, {"op": "add", "path": "/spec/containers/-", "value": {}}],
}


def asked(pod: dict[str, Any]) -> Review:
    """Return the review of a pod."""
    return parse_review(json.dumps(review({**GPU_POD, **pod})).encode())


def decision(operations: list[Operation]) -> Decision:
    """Return a decision with this patch."""
    return Decision(Verdict.INJECT, Reason.RUNTIME_CLASS, tuple(operations))


@pytest.mark.parametrize("operations", APPLIES.values(), ids=APPLIES)
def test_the_pod_becomes_what_the_whole_patch_makes_of_it(operations: list[Operation]) -> None:
    """The operations see the pod as those before them left it."""
    found = asked(POD)
    expected = jsonpatch.JsonPatch(operations).apply(copy.deepcopy(found.object))
    check_applies(found, decision(operations))
    assert found.object == expected


@pytest.mark.parametrize("operations", FAILS.values(), ids=FAILS)
def test_what_the_library_refuses_is_refused(operations: list[Operation]) -> None:
    """Its errors are those that the server expects."""
    refused = (jsonpatch.JsonPatchException, JsonPointerException)
    with pytest.raises(refused) as whole:
        jsonpatch.JsonPatch(operations).apply(asked(POD).object)
    with pytest.raises(refused) as single:
        check_applies(asked(POD), decision(operations))
    assert single.type is whole.type
