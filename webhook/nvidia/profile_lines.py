"""Lines for the policy file that add a driver profile for a node whose driver is not known.

The pattern is the name of the node's system without its version, so that it keeps matching after an update. The
directory is a proposal, to be checked on the host with ``ldconfig -p | grep libnvidia-ml``.
"""

from webhook.nvidia.driver_profiles import DEFAULT_PROFILES
from webhook.nvidia.special_hosts import TRIPLETS, Host, is_wsl, special_host

MOST_COMMON_DIRECTORY = "/usr/lib64"
DRIVER_CONTAINER_ROOT = "/run/nvidia/driver"
LONGEST_OS_IMAGE = 120


def profile_lines(host: Host) -> tuple[str, ...]:
    """Return the lines, nothing for a host where a mount of files cannot help or that reports no osImage."""
    fields = _fields(host)
    return ("drivers:", f"- {fields[0]}", *(f"  {field}" for field in fields[1:])) if fields else ()


def profile_line(host: Host) -> str:
    """Return the same as one line, for a warning; empty where ``profile_lines`` returns nothing."""
    fields = _fields(host)
    return f"drivers: [{{{', '.join(fields)}}}]" if fields else ""


def _fields(host: Host) -> tuple[str, ...]:
    directory = _directory(host)
    if not directory or not host.os_image.strip():
        return ()
    return (f"osImage: '{_pattern(host.os_image)}'", *_node_labels(host), f"directory: {directory}")


def _directory(host: Host) -> str:
    kind = special_host(host)
    if is_wsl(host) or (kind is not None and not kind.directory):
        return ""
    usual = next((profile.directory for profile in DEFAULT_PROFILES if profile.matches(host)), MOST_COMMON_DIRECTORY)
    if kind is not None:
        usual = DRIVER_CONTAINER_ROOT + usual if kind.directory == DRIVER_CONTAINER_ROOT else kind.directory
    # Without an architecture the policy fills the triplet in.
    return usual.replace("{triplet}", TRIPLETS.get(host.architecture, "{triplet}"))


def _node_labels(host: Host) -> tuple[str, ...]:
    """Return the label that tells such a host from others with the same system."""
    kind = special_host(host)
    found = next(((key, value) for key, value in kind.labels if host.labels.get(key) == value), None) if kind else None
    return (f"nodeLabels: {{{found[0]}: '{found[1]}'}}",) if found else ()


def _system_pattern(os_image: str) -> str:
    """Return a pattern that matches all versions of a system: its name up to the first word with a digit."""
    name = os_image[:LONGEST_OS_IMAGE]
    start = name.find(" ") + 1
    digit = next((at for at, letter in enumerate(name) if at >= start and letter.isdigit()), len(name))
    is_whole = not start or (digit == len(name) and len(os_image) == len(name))
    kept = name if is_whole else name[: name.rfind(" ", 0, digit) + 1]
    escaped = "".join("[[]" if letter == "[" else letter if letter.isprintable() else "?" for letter in kept)
    return escaped if kept == os_image else f"{escaped}*"


def _pattern(os_image: str) -> str:
    return _system_pattern(os_image).replace("'", "''")
