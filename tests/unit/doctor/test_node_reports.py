"""Node facts in doctor: where they are on and agree, nothing is found, and they count as evidence."""

from pathlib import Path

from support.doctor_cases.node_reports import DRIVER, default_runtime_fails, label_with_vfio, report_from
from support.doctor_world import HOME, healthy, look

from webhook.doctor.check import State, examine
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.registry import CATEGORIES
from webhook.policy.model import Policy

CHECKS = {check.name: check for category in CATEGORIES for check in category.checks}
DAEMON_SET = f"/apis/apps/v1/namespaces/{HOME}/daemonsets/gpu-injector-node-facts"
NEEDED = ("node-facts", "node-facts-agree", "default-runtime")


def states(facts: ClusterFacts) -> dict[str, State]:
    """Return the state of each check."""
    return {one.check.name: one.result.state for one in examine(facts, CATEGORIES)}


async def test_a_node_that_reports_what_its_labels_say_is_well(tmp_path: Path) -> None:
    """Every check passes where node facts are on, and the checks of node facts have looked."""
    cluster = healthy()
    report_from(cluster)
    cluster.node["metadata"]["labels"][DRIVER] = "570.86.15"
    facts = await look(cluster, tmp_path)
    assert set(states(facts).values()) == {State.PASS}
    assert CHECKS["node-facts"].run(facts).evidence == ("1 of 1 nodes report",)
    assert CHECKS["node-facts-agree"].run(facts).evidence == ("1 reports agree",)


async def test_without_the_right_to_read_them_they_are_unknown(tmp_path: Path) -> None:
    """Reports that may not be read are not "off"."""
    cluster = healthy()
    report_from(cluster)
    found = states(await look(cluster, tmp_path, DAEMON_SET))
    assert {found[name] for name in NEEDED} == {State.UNKNOWN}


async def test_a_report_takes_the_place_of_the_drivers_label(tmp_path: Path) -> None:
    """The policy's file names need the version, which no label shows."""
    cluster = healthy()
    cluster.policy = Policy(libraries=("libcuda.so.{driver_version}",))
    report_from(cluster)
    assert CHECKS["driver-label"].run(await look(cluster, tmp_path)).evidence == ("1 with 570.86.15",)


async def test_a_node_whose_gpus_are_for_virtual_machines_is_no_gpu_node(tmp_path: Path) -> None:
    """As for decisions, the report outweighs the label."""
    cluster = healthy()
    label_with_vfio(cluster)
    cluster.node["status"] |= {"allocatable": {}, "capacity": {}}
    assert (await look(cluster, tmp_path)).gpu_nodes == ()


async def test_the_fix_names_what_is_stronger_than_a_report(tmp_path: Path) -> None:
    """A label against a GPU, the policy's labels, and GPUs that the node offers: as in decisions."""
    cluster = healthy()
    label_with_vfio(cluster)
    (fix,) = CHECKS["node-facts-agree"].run(await look(cluster, tmp_path)).fix
    assert all(word in fix for word in ("there is no GPU", "bootstrap.gpuNodes", "GPUs that the node offers"))


async def test_a_default_runtime_that_fails_is_no_failure_of_ours(tmp_path: Path) -> None:
    """The pod of node facts cannot start: no check of the installation says that something is wrong with it."""
    cluster = healthy()
    default_runtime_fails(cluster)
    found = states(await look(cluster, tmp_path))
    assert found["default-runtime"] is State.FAIL
    assert {name for name, state in found.items() if state in (State.FAIL, State.UNKNOWN)} == {"default-runtime"}
