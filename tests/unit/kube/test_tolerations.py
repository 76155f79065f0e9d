"""Whether a namespace's list of tolerations allows one."""

from typing import Any

import pytest

from webhook.kube.tolerations import allows

GPU = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("allowed", "toleration", "allows_it"),
    [
        (GPU, GPU, True),
        ({"operator": "Exists"}, GPU, True),
        ({"key": "nvidia.com/gpu", "operator": "Exists"}, GPU, True),
        ({"key": "team", "operator": "Exists"}, GPU, False),
        ({**GPU, "effect": "NoExecute"}, GPU, False),
        (GPU, {"key": "nvidia.com/gpu", "operator": "Exists"}, False),
        ({"key": "a", "value": "b"}, {"key": "a", "operator": "Equal", "value": "b"}, True),
        ({"key": "a", "operator": "Equal", "value": "b"}, {"key": "a", "operator": "Equal", "value": "c"}, False),
        ({"key": "a", "operator": "Equal", "value": "b"}, {"key": "a", "operator": "Exists"}, False),
        ({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}, GPU, False),
        (
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
            {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
            True,
        ),
        (
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
            {"key": "a", "operator": "Exists", "effect": "NoExecute"},
            False,
        ),
    ],
)
def test_an_allowed_toleration_covers_what_it_includes(
    allowed: dict[str, Any], toleration: dict[str, Any], *, allows_it: bool
) -> None:
    """Key, operator, value, effect and time are compared as PodTolerationRestriction does."""
    assert allows([allowed], toleration) is allows_it


@pytest.mark.parametrize("whitelist", [None, []])
def test_without_a_list_everything_is_allowed(whitelist: list[dict[str, Any]] | None) -> None:
    """An absent list may hide one of the whole cluster; an empty one allows everything."""
    assert allows(whitelist, GPU)
