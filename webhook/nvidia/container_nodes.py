"""Nodes that are containers, as those of kind and minikube: the system is the image's, the kernel is the host's.

Such a node has no driver of its own. It shows where a system of Debian's family runs the kernel of another
distribution. Sources: docs/platform-facts.md.
"""

import re

SYSTEMS = (("Ubuntu ", "ubuntu"), ("Debian GNU/Linux ", "debian"))
# The end of a kernel's release -> the distribution that ships it. Other kernels may be anything.
CLOUDS = "aws|azure|gcp|gke|ibm|kvm|nvidia|oem|oracle"
KERNELS = (
    (re.compile(rf"-\d{{1,9}}-(?:generic|lowlatency|{CLOUDS})(?:-(?:64k|hwe))?$"), "ubuntu"),
    (re.compile(r"-(?:cloud-|rt-)?(?:amd64|arm64)$"), "debian"),
    (re.compile(r"\.(?:el|fc|amzn)\d[\w.]{0,32}$", re.ASCII), "red-hat"),
    (re.compile(r"-arch\d[\w.-]{0,16}$", re.ASCII), "arch"),
    (re.compile(r"-default$"), "suse"),
)
LONGEST_RELEASE = 128


def is_container_node(os_image: str, kernel: str) -> bool:
    """Say whether a node's system and its kernel are known to be of two distributions."""
    system = next((family for name, family in SYSTEMS if os_image.startswith(name)), "")
    release = kernel[:LONGEST_RELEASE]
    shipped_by = next((family for ending, family in KERNELS if ending.search(release)), "")
    return bool(system and shipped_by) and system != shipped_by
