"""What the page and ``/state`` say of patches that failed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from support.served import replica

from webhook.observations.setback import Setback, SetbackKey, SetbackKind, Setbacks
from webhook.page.notices import notices
from webhook.view.view import ClusterView

UNTIL = datetime(2026, 1, 1, 13, tzinfo=UTC)
KEY = SetbackKey("kube-system", "plugin", "gpu-1", "nvml")
FIRST = Setback(KEY, SetbackKind.BLOCKED, "no such file", UNTIL - timedelta(hours=1), UNTIL)
NOW = 1_800_000_000.0


def test_failed_patches_have_a_line() -> None:
    """One for each DaemonSet and recipe, with what a node said; those whose time is over have none."""
    keys = [KEY._replace(node=f"gpu-{number}") for number in range(5)]
    view = ClusterView(setbacks=Setbacks({key: replace(FIRST, key=key) for key in keys}, expired=frozenset(keys[4:])))
    state = replica(view).to_json()
    (line,) = [line for line in notices(state, NOW) if "recipe" in line]
    assert line == (
        "The recipe nvml of kube-system/plugin failed on gpu-0, gpu-1, gpu-2 and 1 more: no such file. "
        "It is not applied there again before 2026-01-01 13:00 UTC."
    )


def test_the_state_tells_of_failed_patches() -> None:
    """With all that an administrator may ask; a replica of an older version tells of none."""
    state = replica(ClusterView(setbacks=Setbacks({KEY: FIRST}))).to_json()
    assert state["setbacks"] == [
        {
            "namespace": "kube-system",
            "daemon_set": "plugin",
            "node": "gpu-1",
            "recipe": "nvml",
            "kind": "blocked",
            "text": "no such file",
            "since": UNTIL.timestamp() - 3600,
            "until": UNTIL.timestamp(),
            "repetitions": 1,
            "released": False,
        }
    ]
    del state["setbacks"]
    assert not [line for line in notices(state, NOW) if "recipe" in line]
