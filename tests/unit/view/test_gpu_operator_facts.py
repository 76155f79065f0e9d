"""What a ClusterPolicy of the GPU Operator says."""

from typing import Any

import pytest

from webhook.view.gpu_operator import project_cluster_policy


def cluster_policy(labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a ClusterPolicy."""
    return {"metadata": {"name": "gpu-cluster-policy", "labels": labels or {}}, "spec": spec}


@pytest.mark.parametrize(
    ("cdi", "version", "expected"),
    [
        ({"enabled": True}, "v24.9.0", True),
        ({"enabled": False}, "v25.10.1", False),
        ({}, "v25.10.1", True),
        (None, "v25.10.0", True),
        (None, "v26.7.0-rc.1", True),
        (None, "v25.3.4", False),
        ({"default": True}, "24.9.2", False),
        (None, "", None),
        (None, "sha256:25.10", None),
        ({"enabled": "yes"}, "", None),
    ],
)
def test_cdi_that_is_not_set_depends_on_the_version(cdi: object, version: str, expected: bool | None) -> None:  # noqa: FBT001
    """Enabled from 25.10 on, disabled before, unknown without a version."""
    item = cluster_policy({"app.kubernetes.io/version": version}, cdi=cdi)
    assert project_cluster_policy(item).uses_cdi is expected


@pytest.mark.parametrize(
    ("item", "version"),
    [
        (cluster_policy({"helm.sh/chart": "gpu-operator-v25.3.0"}), (25, 3)),
        (cluster_policy(validator={"version": "v24.9.1"}), (24, 9)),
        (cluster_policy({"app.kubernetes.io/version": "latest"}, validator={"version": "v24.9.1"}), (24, 9)),
        (cluster_policy(validator={"version": "sha256:0123"}), None),
        (cluster_policy(validator={"version": "v" + "1" * 10000}), None),
        (cluster_policy(), None),
    ],
)
def test_the_version_is_read_where_the_chart_writes_it(item: dict[str, Any], version: tuple[int, int] | None) -> None:
    """In labels, or in the validator's version."""
    assert project_cluster_policy(item).version == version


@pytest.mark.parametrize(
    ("toolkit", "enabled", "keeps"),
    [
        (None, True, False),
        ({"enabled": True}, True, False),
        ({"enabled": False}, False, False),
        ({"env": [{"name": "CONTAINERD_SET_AS_DEFAULT", "value": "false"}]}, True, True),
        ({"env": [{"name": "CONTAINERD_SET_AS_DEFAULT", "value": "true"}]}, True, False),
        ({"env": [{"name": "NVIDIA_RUNTIME_SET_AS_DEFAULT", "value": "0"}]}, True, True),
        ({"env": [{"name": "CRIO_SET_AS_DEFAULT", "value": "False"}]}, True, True),
        ({"env": [{"name": "DOCKER_SET_AS_DEFAULT", "value": "f"}]}, True, True),
        ({"env": [{"name": "CONTAINERD_CONFIG", "value": "false"}]}, True, False),
        ({"env": [{"name": "CONTAINERD_SET_AS_DEFAULT"}, "odd"]}, True, False),
    ],
)
def test_what_the_toolkit_is_set_to(toolkit: object, enabled: bool, keeps: bool) -> None:  # noqa: FBT001
    """It is enabled where nothing is said, and makes NVIDIA's runtime the default unless it is set not to."""
    found = project_cluster_policy(cluster_policy(toolkit=toolkit))
    assert (found.toolkit_enabled, found.keeps_default_runtime) == (enabled, keeps)


@pytest.mark.parametrize(
    ("cdi", "nri"), [({"nriPluginEnabled": True}, True), ({"enabled": True}, False), (None, False)]
)
def test_nri_is_on_where_the_policy_says_so(cdi: object, nri: bool) -> None:  # noqa: FBT001
    """The field is below ``cdi``."""
    assert project_cluster_policy(cluster_policy(cdi=cdi)).nri is nri
