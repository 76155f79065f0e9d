"""Setbacks that do not count any more are no trouble."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.doctor_cases.setbacks import remember
from support.doctor_world import Cluster, healthy, look

from webhook.doctor.check import State
from webhook.doctor.checks.check_setbacks import plugin_setbacks
from webhook.doctor.registry import CATEGORIES


def rebooted(cluster: Cluster) -> None:
    """Have the node boot after the failure."""
    remember(cluster)
    cluster.node["status"]["nodeInfo"]["bootID"] = "another"


PAST: dict[str, Callable[[Cluster], object]] = {
    "rebooted": rebooted,
    "expired": lambda cluster: remember(cluster, minutes=121),
    "another policy": lambda cluster: remember(cluster, policy="0123456789abcdef"),
}


@pytest.mark.parametrize("change", PAST.values(), ids=PAST)
async def test_a_setback_of_the_past_is_no_trouble(change: Callable[[Cluster], object], tmp_path: Path) -> None:
    """The node booted, the time is over, or the policy is another one: the recipe is tried again."""
    cluster = healthy()
    change(cluster)
    assert plugin_setbacks(await look(cluster, tmp_path)).state is State.PASS


async def test_a_state_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    """Without the right to read the ConfigMap nothing is known of setbacks."""
    facts = await look(healthy(), tmp_path, "/api/v1/namespaces/gpu-injector/configmaps/gpu-injector-state")
    (check,) = [check for check in CATEGORIES[0].checks if check.name == "setbacks"]
    assert check.run(facts).state is State.UNKNOWN


def test_setbacks_come_first() -> None:
    """What we broke is read before everything else."""
    assert CATEGORIES[0].title == "setbacks and heartbeat"
