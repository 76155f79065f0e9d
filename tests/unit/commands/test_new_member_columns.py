"""A member that a patch adds is indented as its neighbours are: the author's columns, not ours."""

from typing import Any

import pytest

from webhook.commands.patched_stream import patched_stream
from webhook.decide.patch import Operation, add
from webhook.kube.manifests import Manifest, read_manifests

OPERATIONS = (
    add("/metadata/annotations", {"decision": "inject"}),
    add("/spec/containers/0/env", [{"name": "A", "value": "b"}]),
    add("/spec/containers/0/securityContext", {"seccompProfile": {"type": "Unconfined"}}),
    add("/spec/tolerations", [{"key": "gpu"}]),
)

NARROW = """\
apiVersion: v1
kind: Pod
metadata:
 name: a
spec:
 containers:
 - name: main
   image: i
"""
NARROW_PATCHED = """\
apiVersion: v1
kind: Pod
metadata:
 name: a
 annotations:
  decision: inject
spec:
 containers:
 - name: main
   image: i
   env:
   - name: A
     value: b
   securityContext:
    seccompProfile:
     type: Unconfined
 tolerations:
 - key: gpu
"""
WIDE = """\
apiVersion: v1
kind: Pod
metadata:
    name: a
spec:
    containers:
      -   name: main
          image: i
"""
WIDE_PATCHED = """\
apiVersion: v1
kind: Pod
metadata:
    name: a
    annotations:
        decision: inject
spec:
    containers:
      -   name: main
          image: i
          env:
            -   name: A
                value: b
          securityContext:
              seccompProfile:
                  type: Unconfined
    tolerations:
      -   key: gpu
"""
NEAREST = """\
apiVersion: v1
kind: Pod
metadata:
  labels:
     app: x
spec:
      containers:
      - name: main
        image: i
        resources:
           limits: {}
"""
NEAREST_PATCHED = """\
apiVersion: v1
kind: Pod
metadata:
  labels:
     app: x
  annotations:
     decision: inject
spec:
      containers:
      - name: main
        image: i
        resources:
           limits: {}
        env:
        - name: A
          value: b
        securityContext:
           seccompProfile:
              type: Unconfined
      tolerations:
      - key: gpu
"""


@pytest.mark.parametrize(
    ("text", "expected"), [(NARROW, NARROW_PATCHED), (WIDE, WIDE_PATCHED), (NEAREST, NEAREST_PATCHED)]
)
def test_new_members_take_the_columns_of_the_nearest_ones(text: str, expected: str) -> None:
    """One column or four, a list further in or not, a dash with more blanks: what is nearest counts."""
    notes: list[str] = []

    def operations(_: Manifest) -> list[Operation]:
        return list(OPERATIONS)

    written: Any = patched_stream(list(read_manifests(text, "x")), operations, notes.append)
    assert (written, notes) == (expected, [])
