"""The node's sandbox: nothing is left of it when the tests are killed."""

import json
import socket
import subprocess
import sys
from pathlib import Path

from e2e.node.cgroups import remove_abandoned
from e2e.processes import until

TESTS = Path(__file__).parents[2]
STARTED = """
import json, socket, sys
from pathlib import Path
from e2e.node.cgroups import cgroup_root
from e2e.node.sandbox import sandbox
from e2e.processes import started

folder = Path(sys.argv[1])
with cgroup_root() as group, sandbox(folder, folder, shared=[]) as inside:
    command = inside.command("sleep", "infinity")
    with started("inside", command, folder, environment=inside.environment), started("beside", command[-2:], folder):
        index = socket.if_nametoindex(f"gpu-injector{inside.network}")
        print(json.dumps({"link": index, "group": group}), flush=True)
        sys.stdin.read()
"""


def test_nothing_outlives_tests_that_are_killed(tmp_path: Path) -> None:
    """No process, link or mount is left; the control groups go when the next tests begin."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTED, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(TESTS)},
    ) as tests:
        assert tests.stdout is not None
        made = json.loads(tests.stdout.readline())
        before = {one.name for one in descendants(tests.pid)}
        assert {"unshare", "sleep"} <= {name(one) for one in descendants(tests.pid)}
        tests.kill()
    until(lambda: not any(Path("/proc", pid).exists() for pid in before), "every process has ended")
    # By its index: another test's sandbox may have the same name by now.
    until(lambda: made["link"] not in dict(socket.if_nameindex()), "the link is gone")
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    remove_abandoned()
    assert not list(Path("/sys/fs/cgroup").glob(f"**{made['group']}"))


def descendants(pid: int) -> list[Path]:
    """Return the processes that a process has started, and they in turn."""
    started = [Path("/proc", child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*started, *(one for child in started for one in descendants(int(child.name)))]


def name(process: Path) -> str:
    """Return what a process runs."""
    return (process / "comm").read_text().strip()
