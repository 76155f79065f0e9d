"""`export mutating-admission-policy` on the real API server: for many pods its result is ours.

Where it is not, the comments of the output say so (tests/e2e/exported_pods.py).
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonpatch
import pytest
import yaml

from e2e.control_plane import ControlPlane
from e2e.direct_api import DirectApi
from e2e.exported_pods import CORPUS, STATED
from e2e.kubectl import Kubectl
from e2e.namespaces import DRY_RUN, ENABLED, INJECT, UNLABELLED
from e2e.pods import decision_of
from e2e.processes import until
from webhook.decide.decision import RequestInfo, Verdict
from webhook.decide.workload.decide import decide
from webhook.policy.load import parse_policy
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, RuntimeClass

# 1.33 knows the kind only as an alpha that is off. The API server of 1.36.3 panics on the exported JSONPatch: its
# cel-go (0.26.0) cannot convert a list in a patch.
pytestmark = pytest.mark.parametrize("minor", ["1.37"], indirect=True, scope="session")

NVIDIA: dict[str, Any] = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "nvidia"},
    "handler": "nvidia",
}
POLICY = "driverCapabilities: compute,utility\naddToleration: true\nresources: [nvidia.com/gpu, nvidia.com/mig-*]\n"


@dataclass(frozen=True, slots=True)
class Exported:
    """The API server with the exported policy, and what it printed."""

    kubectl: Kubectl
    api: DirectApi
    policy: Policy
    text: str

    def admitted(self, written: Mapping[str, Any], namespace: str) -> dict[str, Any]:
        """Return the pod as the API server would store it."""
        metadata = {**written["metadata"], "namespace": namespace}
        path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All&fieldValidation=Strict"
        status, answer = self.api.call("POST", path, {**written, "metadata": metadata})
        assert status == 201, answer
        return answer


@pytest.fixture(scope="module")
def exported(plane: ControlPlane, webhook_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """Apply what the command prints, until a pod is patched by it; the webhook itself does not run."""
    assert webhook_port
    file = tmp_path_factory.mktemp("policy-") / "policy.yaml"
    file.write_text(POLICY)
    command = [sys.executable, "-m", "webhook", "export", "mutating-admission-policy", "--policy", str(file)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    plane.kubectl.run("apply", "-f", "-", stdin=text)
    with DirectApi(plane.kubectl.kubeconfig) as api:
        ready = Exported(plane.kubectl, api, parse_policy(POLICY, "policy"), text)
        until(lambda: decision_of(ready.admitted(CORPUS["gpu-alone"], ENABLED)), "the exported policy is in effect")
        yield ready
    plane.kubectl.run("delete", "-f", "-", stdin=text)


def ours(
    exported: Exported,
    written: Mapping[str, Any],
    namespace: str,
    label: str,
    found: RuntimeClass = RuntimeClass("nvidia", "nvidia"),  # noqa: B008  it is frozen
) -> dict[str, Any]:
    """Return what the webhook would make of a pod, which the API server shows as it is without any policy."""
    plain = exported.admitted(written, UNLABELLED)
    view = ClusterView({"nvidia": found}, {namespace: {INJECT: label}})
    decision = decide(plain, RequestInfo(namespace), exported.policy, view)
    # Stated: "It annotates only what it patches", and "It has no dry-run".
    if decision.verdict is Verdict.LEAVE or decision.dry_run:
        return plain
    patched: dict[str, Any] = jsonpatch.JsonPatch(decision.operations).apply(plain)
    return patched


def comparable(admitted: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what a mutation may change of a pod."""
    return admitted["spec"], admitted["metadata"].get("annotations", {})


def test_the_corpus_is_large(exported: Exported) -> None:
    """At least sixty pods, and every difference that is allowed is written in the output."""
    assert len(CORPUS) >= 60
    assert all(line in exported.text for line in STATED.values())
    kinds = [document["kind"] for document in yaml.safe_load_all(exported.text)]
    assert kinds == ["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"]


@pytest.mark.parametrize("name", CORPUS)
def test_the_result_is_ours(exported: Exported, name: str) -> None:
    """The same spec and annotations, or a difference that the output states."""
    admitted = comparable(exported.admitted(CORPUS[name], ENABLED))
    assert (admitted == comparable(ours(exported, CORPUS[name], ENABLED, "enabled"))) is (name not in STATED)


@pytest.mark.parametrize(("namespace", "label"), [(UNLABELLED, ""), (DRY_RUN, "dry-run")])
def test_other_namespaces_are_left_alone(exported: Exported, namespace: str, label: str) -> None:
    """No label, and dry-run, which it does not know: as stated."""
    written = CORPUS["gpu-side"]
    assert comparable(exported.admitted(written, namespace)) == comparable(ours(exported, written, namespace, label))


WINDOWS = [name for name in CORPUS if "windows" in name]


@pytest.mark.parametrize(("overhead", "is_set"), [({"cpu": "250m"}, False), ({"memory": "0", "cpu": "0"}, True)])
def test_a_class_with_overhead_is_not_set(exported: Exported, overhead: Mapping[str, str], *, is_set: bool) -> None:
    """Quota or a full node could reject the pod; an overhead of nothing costs nothing. Windows pods get no class."""
    with_overhead = {**NVIDIA, "overhead": {"podFixed": overhead}}
    word = "inject/runtime-class" if is_set else None
    exported.kubectl.apply([with_overhead])
    try:
        until(lambda: _is_decided(exported, with_overhead, word), f"the policy knows the overhead {overhead}")
        found = RuntimeClass("nvidia", "nvidia", overhead=overhead)
        for name in ("gpu-side", "gpu-env-two-init", "native-sidecar", *WINDOWS):
            spec, annotations = comparable(exported.admitted(CORPUS[name], ENABLED))
            # The API server adds the overhead of the class itself.
            plain = {field: value for field, value in spec.items() if field != "overhead"}
            assert (plain, annotations) == comparable(ours(exported, CORPUS[name], ENABLED, "enabled", found)), name
    finally:
        exported.kubectl.run("replace", "-f", "-", stdin=json.dumps(NVIDIA))
        until(lambda: _is_decided(exported, NVIDIA, "inject/runtime-class"), "the class has no overhead any more")


def _is_decided(exported: Exported, written: Mapping[str, Any], word: str | None) -> bool:
    """Say whether pods get the class as it is now; its own plugin adds the overhead of a pod with the class."""
    admitted = exported.admitted(CORPUS["gpu-side"], ENABLED)
    by_author = exported.admitted(CORPUS["our-class-by-the-author"], UNLABELLED)
    wanted = written.get("overhead", {}).get("podFixed", {})
    return decision_of(admitted) == word and by_author["spec"].get("overhead", {}) == wanted


def test_without_the_class_nothing_is_patched(exported: Exported) -> None:
    """Its parameter is the RuntimeClass: a class that is gone is not set at the next request."""
    exported.kubectl.run("delete", "runtimeclass", "nvidia")
    try:
        until(lambda: not decision_of(exported.admitted(CORPUS["gpu-side"], ENABLED)), "the class is not set any more")
        plain = exported.admitted(CORPUS["gpu-side"], UNLABELLED)
        assert comparable(exported.admitted(CORPUS["gpu-side"], ENABLED)) == comparable(plain)
    finally:
        exported.kubectl.apply([NVIDIA])
