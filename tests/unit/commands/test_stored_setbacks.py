"""Commands know the failures that the webhook has stored, and those that plugin pods show now."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.blocked_world import STATE, BlockedWorld, blocked_world
from support.cluster_world import session
from support.fake_api import FakeApi
from support.plugin_world import PLUGIN
from support.repair_world import START

from webhook.commands.shared.cluster import live_view
from webhook.policy.model import Policy, SetbackRules

WITHOUT = Policy(setbacks=SetbackRules(plugins=False))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[BlockedWorld]:
    """Have a node with a plugin pod that our patch blocks."""
    async with FakeApi() as fake, blocked_world(fake, tmp_path) as made:
        made.add("gpu-1")
        yield made


async def failed(world: BlockedWorld, folder: Path, policy: Policy = Policy()) -> bool:  # noqa: B008  a frozen value
    """Say whether a command knows that the class failed on the node."""
    async with session(world.fake, folder, world.time) as client:
        view = (await live_view(client, policy, wall_clock=lambda: START)).view
    return view.setbacks.failed("kube-system", PLUGIN, (view.nodes or {})["gpu-1"], "runtime-class") is not None


async def test_a_stored_setback_is_known_when_its_pod_is_gone(world: BlockedWorld, tmp_path: Path) -> None:
    """The webhook would leave the next pod alone, so `preview` and `why` say so, too."""
    await world.rounds(2)
    assert len(world.deleted()) == 1
    assert await failed(world, tmp_path)
    assert not await failed(world, tmp_path, Policy(runtime_class="other"))
    assert not await failed(world, tmp_path, WITHOUT)


async def test_a_blocked_pod_is_enough_for_a_caller_who_may_not_read_the_state(
    world: BlockedWorld, tmp_path: Path
) -> None:
    """The status of the pod decides."""
    world.fake.fault(STATE, status=403)
    assert await failed(world, tmp_path)
    assert not await failed(world, tmp_path, WITHOUT)
