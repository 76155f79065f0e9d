"""The next plugin pod on a node where the last one with our mount hangs: the field case, on a node with a GPU."""

from typing import Any

import pytest
import yaml
from support.golden_cases import GOLDEN, read_case

from webhook.decide.plugin.decide import decide_plugin
from webhook.view.projections import view_of

CASE = GOLDEN / "bootstrap-leave-second-try-after-failed-mount"
HANGING = {"name": "nvidia-device-plugin-ctr", "state": {"waiting": {"reason": "ContainerCreating"}}}
OLD, CURRENT = "v0.14.5", "v0.17.4"


def objects(version: str, **status: Any) -> list[dict[str, Any]]:  # noqa: ANN401  fields of a status
    """Return the case's objects: its node shows a GPU, its plugin has this version, and its pod this status."""
    found: list[dict[str, Any]] = list(yaml.safe_load_all((CASE / "view.yaml").read_text().replace(CURRENT, version)))
    (node,) = (item for item in found if item["kind"] == "Node")
    node["metadata"]["labels"] = {"nvidia.com/gpu.present": "true"}
    node["status"]["capacity"] = node["status"]["allocatable"] = {"cpu": "16"}
    (pod,) = (item for item in found if item["kind"] == "Pod")
    pod["status"] |= status
    return found


def decided(version: str, **status: Any) -> str:  # noqa: ANN401  fields of a status
    """Return the word of the decision for the next pod."""
    case = read_case(CASE)
    pod = yaml.safe_load(yaml.safe_dump(case.pod).replace(CURRENT, version))
    return decide_plugin(pod, case.facts, case.policy, view_of(objects(version, **status))).word


@pytest.mark.parametrize("status", [{}, {"containerStatuses": [HANGING]}], ids=["shortened status", "container waits"])
@pytest.mark.parametrize(("version", "word"), [(OLD, "leave/setback"), (CURRENT, "bootstrap/driver-root")])
def test_the_mount_that_hangs_is_not_added_again(version: str, word: str, status: dict[str, Any]) -> None:
    """Where the plugin can use the driver's root, that follows, which waits for no file; else none does."""
    assert decided(version, **status) == word


PULLING = {"name": "nvidia-device-plugin-ctr", "state": {"waiting": {"reason": "ImagePullBackOff"}}}


@pytest.mark.parametrize(
    "status", [{"containerStatuses": [PULLING]}, {"conditions": []}], ids=["its image is missing", "no kubelet saw it"]
)
def test_a_pod_that_waits_for_another_cause_hinders_nothing(status: dict[str, Any]) -> None:
    """The same objects without the failure get the mount: the failure alone makes the difference."""
    assert decided(OLD, **status) == "bootstrap/nvml"
