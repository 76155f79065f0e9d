"""`doctor` as people and scripts meet it: what is printed, exit codes, the rights of a viewer, the documentation."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from support.doctor_cases import CASES, Case
from support.doctor_world import HOME, REPLICAS, Cluster, healthy, look, served

from webhook.__main__ import main
from webhook.doctor.check import State, examine
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import NOT_ASKED, Unread
from webhook.doctor.registry import CATEGORIES

DOCS = Path(__file__).parents[3] / "docs" / "doctor.md"
# What a namespace's viewer may not do; pods, logs and events of ml are allowed.
BEYOND_A_VIEWER = (
    "/api/v1/nodes",
    "/api/v1/namespaces",
    "/api/v1/pods",
    "/api/v1/events",
    "/api/v1/namespaces/kube-system/*",
    f"/api/v1/namespaces/{HOME}/*",
    "/apis/*",
)
READ = [name for name, item in ClusterFacts.__dataclass_fields__.items() if item.default is NOT_ASKED]


def run(cluster: Cluster, folder: Path, *arguments: str, forbidden: str = "") -> tuple[int, str]:
    """Run the command line against a cluster, of which one path may be forbidden; return exit code and output."""

    async def serve() -> tuple[int, str]:
        async with served(cluster) as fake:
            if forbidden:
                fake.fault(forbidden, status=403)
            command = ["doctor", "--kubeconfig", fake.kubeconfig(folder), *arguments]
            result = await asyncio.to_thread(CliRunner().invoke, main, command)
            return result.exit_code, result.stdout or result.stderr

    return asyncio.run(serve())


def test_a_healthy_cluster(tmp_path: Path) -> None:
    """The exit code is 0, and nothing is left of the short form but its last line."""
    checks = sum(len(category.checks) for category in CATEGORIES)
    assert run(healthy(), tmp_path, "-o", "short") == (0, f"√ {checks} passed\n")


def test_who_may_not_look_is_told_so_by_the_exit_code(tmp_path: Path) -> None:
    """3 where nothing failed, 1 where something did, seen or unseen the rest."""
    cluster = healthy()
    code, printed = run(cluster, tmp_path, "-o", "short", forbidden="/apis/node.k8s.io/v1/runtimeclasses")
    assert (code, "no right to read runtimeclasses" in printed) == (3, True)
    cluster.node["status"]["allocatable"]["nvidia.com/gpu"] = "0"
    assert run(cluster, tmp_path, forbidden="/apis/node.k8s.io/v1/runtimeclasses")[0] == 1


def test_the_incident(tmp_path: Path) -> None:
    """What failed, on which node, and the line that mends it; the exit code is 1."""
    cluster = healthy()
    cluster.blind_plugin("could not load NVML library: libnvidia-ml.so.1: cannot open shared object file")
    code, printed = run(cluster, tmp_path)
    assert code == 1
    assert "the plugin loads NVML\n" in printed
    assert "device plugin cannot load NVML on gpu-node: could not load NVML library: libnvidia-ml.so.1" in printed
    assert "fix: kubectl -n kube-system delete pod nvidia-device-plugin-abcde" in printed
    assert "see docs/doctor.md#plugin-nvml" in printed


def test_a_fix_in_the_evidence_hides_no_other_fix(tmp_path: Path) -> None:
    """On containerd 1.x a plugin without NVML has two fixes. The first one is part of the evidence."""
    cluster = healthy()
    cluster.blind_plugin("could not load NVML library: libnvidia-ml.so.1: cannot open shared object file")
    cluster.node["status"]["nodeInfo"]["containerRuntimeVersion"] = "containerd://1.7.28"
    _, printed = run(cluster, tmp_path, "-o", "short")
    assert ", fix: kubectl -n kube-system delete pod" in printed
    assert "    fix: if NVIDIA's runtime should be the default of gpu-node, run there: containerd config" in printed


def test_json_is_what_the_documentation_says(tmp_path: Path) -> None:
    """The example in the documentation has the same keys, and the same row for the same trouble."""
    cluster = healthy()
    for quantities in ("allocatable", "capacity"):
        cluster.node["status"][quantities]["nvidia.com/gpu"] = "0"
    code, printed = run(cluster, tmp_path, "-o", "json")
    found = json.loads(printed)
    example = json.loads(re.findall(r"```json\n(.*?)```", DOCS.read_text(), re.DOTALL)[0])
    assert (code, found.keys(), found["version"]) == (1, example.keys(), example["version"])
    assert [row for row in found["checks"] if row["check"] == "gpus-allocatable"] == example["checks"]
    assert sum(found["counts"].values()) == len(found["checks"])


def test_nobody_answers(tmp_path: Path) -> None:
    """The exit code is 2."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{}")
    result = CliRunner().invoke(main, ["doctor", "--kubeconfig", str(kubeconfig)])
    assert result.exit_code == 2
    assert "credentials" in result.output


def test_every_check_has_a_section_and_every_section_a_check() -> None:
    """The link that is printed leads somewhere."""
    checks = [check.name for category in CATEGORIES for check in category.checks]
    assert re.findall(r"^### (\S+)$", DOCS.read_text(), re.MULTILINE) == checks


async def test_a_namespace_viewer_sees_the_own_namespace(tmp_path: Path) -> None:
    """Pods and events of the context's namespace are checked; all else is unknown, and nothing is passed unseen."""
    cluster = healthy()
    cluster.pod["spec"]["hostUsers"] = False
    facts = await look(cluster, tmp_path, *BEYOND_A_VIEWER, own="ml")
    states = {outcome.check.name: outcome.result.state for outcome in examine(facts, CATEGORIES)}
    assert facts.scope == "ml"
    assert states["pods-user-namespaces"] is State.WARN
    assert {name for name, state in states.items() if state is State.PASS} == {
        "server-version",
        "namespaces-opted-in",
        "namespace-labels",
        "webhook-answers",
        "pods-not-opted-in",
        "pods-left",
        "pods-leaking",
        "pods-none",
        "pods-zero",
        "pods-directories",
        "pods-device-mounts",
        "pods-unhealthy-device",
        "pods-pending",
        "pods-not-starting",
        "event-no-runtime",
        "event-cdi",
        "event-library",
        "event-no-class",
        "event-allocation",
        "event-xid",
        "event-claim",
        "event-mount",
        "event-refused",
        "event-runtime-hook",
        "setbacks-workloads",
    }


async def test_a_viewer_may_not_try_a_pod(tmp_path: Path) -> None:
    """To be refused the trial says nothing of the webhook."""
    cluster = healthy()
    message = 'pods is forbidden: User "eve" cannot create resource "pods"'
    cluster.tried = (403, {"kind": "Status", "reason": "Forbidden", "message": message})
    facts = await look(cluster, tmp_path)
    assert isinstance(facts.dry_run, Unread)
    assert message in facts.dry_run.why


async def test_a_mounted_certificate_is_not_ours_to_judge(tmp_path: Path) -> None:
    """Its Secret is cert-manager's, or the administrator's; that ours has none is no failure."""
    cluster = healthy()
    cluster.remove("Secret", "gpu-injector")
    pod = cluster.of("Deployment", "gpu-injector")["spec"]["template"]["spec"]
    pod["containers"][0]["args"] = ["serve", "--cert-dir=/tls"]
    facts = await look(cluster, tmp_path)
    states = {outcome.check.name: outcome.result.state for outcome in examine(facts, CATEGORIES)}
    assert (states["certificate"], states["ca-bundle"]) == (State.UNKNOWN, State.UNKNOWN)


async def test_without_a_registration_there_is_no_bundle_to_check(tmp_path: Path) -> None:
    """The text for URLs that an administrator wrote would be wrong."""
    cluster = healthy()
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        cluster.remove(kind, "gpu-injector")
    results = {outcome.check.name: outcome.result for outcome in examine(await look(cluster, tmp_path), CATEGORIES)}
    assert results["registered"].state is State.FAIL
    assert results["ca-bundle"].evidence == ("no entry is registered",)


async def test_what_is_served_is_seen_without_the_secret(tmp_path: Path) -> None:
    """A user who may forward a port needs no right to the private keys."""
    facts = await look(healthy(), tmp_path, f"/api/v1/namespaces/{HOME}/secrets/gpu-injector")
    states = {outcome.check.name: outcome.result.state for outcome in examine(facts, CATEGORIES)}
    assert (states["ca-bundle"], states["ca-bundle-served"]) == (State.UNKNOWN, State.PASS)


async def test_who_may_not_forward_does_not_know_what_is_served(tmp_path: Path) -> None:
    """The result says why, for each replica; the Secret is still compared."""
    facts = await look(
        healthy(), tmp_path, *(f"/api/v1/namespaces/{HOME}/pods/{name}/portforward" for name in REPLICAS)
    )
    results = {outcome.check.name: outcome.result for outcome in examine(facts, CATEGORIES)}
    assert (results["ca-bundle"].state, results["ca-bundle-served"].state) == (State.PASS, State.UNKNOWN)
    (evidence,) = results["ca-bundle-served"].evidence
    assert [evidence.count(f"pod {name}: Handshake status 403") for name in REPLICAS] == [1, 1]


async def test_a_kubelet_that_is_away_hides_the_log_alone(tmp_path: Path) -> None:
    """The API server answers 500 for it; the check of that log is unknown, the others see what they see."""
    cluster = healthy()
    cluster.blind_plugin("could not load NVML library")
    place = "/api/v1/namespaces/kube-system/pods/nvidia-device-plugin-abcde/log"
    facts = await look(cluster, tmp_path, place)
    states = {outcome.check.name: outcome.result.state for outcome in examine(facts, CATEGORIES)}
    assert (states["plugin-nvml"], states["plugin-restart"]) == (State.UNKNOWN, State.FAIL)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], ClusterFacts]:
    """Return what reads the facts of a spoilt cluster, each once."""

    @cache
    def read(case: Case) -> ClusterFacts:
        cluster = healthy()
        case.spoil(cluster)
        return asyncio.run(look(cluster, tmp_path_factory.mktemp("spoilt")))

    return read


@given(data=st.data())
def test_what_may_not_be_read_never_becomes_a_pass(spoilt: Callable[[Case], ClusterFacts], data: st.DataObject) -> None:
    """With fewer rights a check says the same, or that it does not know; it never passes what it would not."""
    facts = spoilt(data.draw(st.sampled_from(CASES)))
    several = data.draw(st.sets(st.sampled_from(READ), min_size=2))
    # Each fact alone in turn, so that a check that forgets one is found in few examples.
    for hidden in (several, *({name} for name in READ)):
        unread: dict[str, Any] = dict.fromkeys(hidden, Unread("no right"))
        less = replace(facts, **unread)
        for full, seen in zip(examine(facts, CATEGORIES), examine(less, CATEGORIES), strict=True):
            assert seen.result.state in (full.result.state, State.UNKNOWN), (full, seen)
