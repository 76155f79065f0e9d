"""Doctor says where a default runtime got lost, and only for nodes on which it can get lost."""

from pathlib import Path

import pytest
from support.doctor_world import healthy, look

from webhook.doctor.checks.check_plugin_log import nvml

LOG = "E1 Failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND"
COMMAND = "containerd config dump | grep default_runtime_name"


@pytest.mark.parametrize(
    ("runtime", "runtime_class", "hints"),
    [
        ("containerd://1.7.28", "", 1),
        ("containerd://1.6.20~ds1", "", 1),
        ("containerd://1.7.28", "nvidia", 0),
        ("containerd://2.4.2", "", 0),
        ("cri-o://1.33.0", "", 0),
    ],
)
async def test_the_command_is_shown_for_a_blind_plugin_on_containerd_1(
    runtime: str, runtime_class: str, hints: int, tmp_path: Path
) -> None:
    """A pod with a class does not depend on the default, and later versions merge what each file says."""
    cluster = healthy()
    plugin = cluster.blind_plugin(LOG)
    plugin["spec"] |= {"runtimeClassName": runtime_class} if runtime_class else {}
    cluster.node["status"]["nodeInfo"]["containerRuntimeVersion"] = runtime
    result = nvml(await look(cluster, tmp_path))
    assert [COMMAND in line for line in result.fix] == [False, *[True] * hints]
