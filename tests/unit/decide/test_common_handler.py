"""Which handler a missing RuntimeClass could use, by what the nodes report."""

import pytest

from webhook.decide.nodes.common_handler import common_handler

BOTH = frozenset({"", "runc", "nvidia", "nvidia-cdi"})


@pytest.mark.parametrize(
    ("reported", "name", "handler"),
    [
        ([BOTH], "nvidia", "nvidia"),
        ([BOTH], "nvidia-cdi", "nvidia-cdi"),
        ([BOTH, frozenset({"nvidia"})], "nvidia-cdi", "nvidia"),
        ([frozenset({"nvidia-legacy", "nvidia-cdi"})], "gpu", "nvidia-cdi"),
        ([frozenset({"runc", "kata"})], "kata", ""),
        ([BOTH, frozenset({"runc"})], "nvidia", ""),
        ([BOTH, None], "nvidia", ""),
        ([None], "nvidia", ""),
        ([], "nvidia", ""),
    ],
)
def test_all_nodes_must_report_it(reported: list[frozenset[str] | None], name: str, handler: str) -> None:
    """A node that reports nothing proves nothing, and neither does a cluster without nodes."""
    assert common_handler(reported, name) == handler
