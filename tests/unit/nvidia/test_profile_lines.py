"""The lines to paste for a node whose driver is not known."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.decide.nodes.kind import profiles
from webhook.nvidia.driver_directory import host_driver
from webhook.nvidia.profile_lines import profile_line, profile_lines
from webhook.policy.load import parse_policy
from webhook.view.view import Node

UBUNTU, GENERIC = "Ubuntu 24.04.3 LTS", "6.8.0-71-generic"
NO_LABELS: Mapping[str, str] = {}


def node_of(
    os_image: str, kernel: str = GENERIC, labels: Mapping[str, str] = NO_LABELS, architecture: str = "amd64"
) -> Node:
    """Return a node that reports this system."""
    return Node("n", labels=labels, os_image=os_image, kernel=kernel, architecture=architecture)


@pytest.mark.parametrize(
    ("node", "lines"),
    [
        (
            node_of("Microsoft Azure Linux 3.0"),
            ("drivers:", "- osImage: 'Microsoft Azure Linux *'", "  directory: /usr/lib64"),
        ),
        (node_of("SteamOS Holo"), ("drivers:", "- osImage: 'SteamOS Holo'", "  directory: /usr/lib64")),
        (node_of("k3OS v0.21.5-k3s2r1"), ("drivers:", "- osImage: 'k3OS *'", "  directory: /usr/lib64")),
        (
            node_of(UBUNTU, labels={"nvidia.com/gpu.deploy.driver": "true"}),
            (
                "drivers:",
                "- osImage: 'Ubuntu *'",
                "  nodeLabels: {nvidia.com/gpu.deploy.driver: 'true'}",
                "  directory: /run/nvidia/driver/usr/lib/x86_64-linux-gnu",
            ),
        ),
        (
            node_of("Red Hat Enterprise Linux CoreOS 418.94.2025"),
            (
                "drivers:",
                "- osImage: 'Red Hat Enterprise Linux CoreOS *'",
                "  directory: /run/nvidia/driver/usr/lib64",
            ),
        ),
        (node_of("Talos (v1.11.2)"), ()),
        (node_of("Bottlerocket OS 1.44"), ()),
        (node_of(UBUNTU, "5.15.148-tegra"), ()),
        (node_of(UBUNTU, "6.6.87.2-microsoft-standard-WSL2"), ()),
        (node_of(""), ()),
    ],
)
def test_lines_to_paste_fit_the_node(node: Node, lines: tuple[str, ...]) -> None:
    """They name the system without its version; there are none where a mount cannot help."""
    assert profile_lines(node) == lines


# What patterns, YAML and versions treat specially, besides all other text.
PARTS = st.lists(st.sampled_from(["[", "]", "*", "a", " ", "1", "'", "\n", "!", "Linux"]), max_size=40).map("".join)


@given(PARTS | st.text(max_size=200), st.sampled_from(["amd64", "arm64"]))
def test_the_pasted_lines_are_a_policy_for_the_node(os_image: str, architecture: str) -> None:
    """For every osImage the lines are valid and their profile matches the node."""
    node = node_of(os_image, architecture=architecture)
    for text in ("\n".join(profile_lines(node)), profile_line(node)):
        if text:
            assert host_driver(node, profiles(parse_policy(text, "pasted"))) is not None
