"""Dynamic Resource Allocation (DRA): which driver serves which extended resource, and on which nodes it has devices."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

from webhook.kube.metadata import name_of
from webhook.kube.values import elements, items, mapping, text

# Each DeviceClass can be requested by this name, too.
# Source: https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#extended-resource
IMPLICIT_PREFIX = "deviceclass.resource.kubernetes.io/"
# The API server accepts no longer expression.
MAX_EXPRESSION_CHARACTERS = 10 * 1024
# Not covered by the tokens below: escapes, comments, and strings of several lines.
UNREAD = ("\\", "//", '"""', "'''")
TOKEN = re.compile(r"""[A-Za-z_][\w.]*|"[^"\n]*"|'[^'\n]*'|==|&&|\|\||\S""")
OPENING, CLOSING = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """A DeviceClass, and the extended resource that it serves, empty if none.

    ``driver`` is the driver that its CEL selectors require; empty if they do not name it plainly.
    """

    name: str
    extended_resource: str
    driver: str = ""

    @property
    def implicit_resource(self) -> str:
        """The resource name by which pods can always request this class."""
        return IMPLICIT_PREFIX + self.name


@dataclass(frozen=True, slots=True)
class ResourceSlice:
    """Devices that a DRA driver offers.

    ``node`` is empty where the slice does not name one node: then ``everywhere`` says that it is for all nodes, and
    otherwise a selector decides, so the nodes are unknown. ``has_devices`` is False for a slice without devices.
    """

    driver: str
    node: str = ""
    everywhere: bool = False
    has_devices: bool = True


def project_device_class(item: Mapping[str, Any]) -> DeviceClass:
    """Keep the extended resource that a DeviceClass serves, and the driver that its selectors name."""
    spec = mapping(item.get("spec"))
    expressions = (text(mapping(selector.get("cel")).get("expression")) for selector in items(spec.get("selectors")))
    drivers = {driver for expression in expressions for driver in required_drivers(expression)}
    driver = drivers.pop() if len(drivers) == 1 else ""
    return DeviceClass(name_of(item), text(spec.get("extendedResourceName")), driver)


def project_resource_slice(item: Mapping[str, Any]) -> ResourceSlice:
    """Keep the driver of a ResourceSlice and its node; all served versions of the API have the same fields."""
    spec = mapping(item.get("spec"))
    return ResourceSlice(
        driver=intern(text(spec.get("driver"))),
        node=intern(text(spec.get("nodeName"))),
        everywhere=spec.get("allNodes") is True,
        has_devices=bool(elements(spec.get("devices"))),
    )


def required_drivers(expression: str) -> Iterator[str]:
    """Yield the drivers that a CEL expression requires, as ``device.driver == "gpu.nvidia.com"`` joined by ``&&``.

    An expression that is not a plain conjunction (``||``, ``!``, ``?``) yields none for the parts that are not.
    """
    if len(expression) > MAX_EXPRESSION_CHARACTERS or any(mark in expression for mark in UNREAD):
        return
    for part in _conjuncts(TOKEN.findall(expression)):
        match part:
            case ["device.driver", "==", literal] | [literal, "==", "device.driver"] if literal[0] in "\"'":
                yield literal[1:-1]
            case _:
                pass


def _conjuncts(tokens: list[str]) -> list[list[str]]:
    """Split tokens at each ``&&`` that no bracket encloses; nothing where another operator joins the parts."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token in OPENING) - (token in CLOSING)
        if depth == 0 and token in ("||", "?"):
            return []
        if depth == 0 and token == "&&":  # noqa: S105 - an operator of CEL
            parts.append([])
        else:
            parts[-1].append(token)
    return [_without_brackets(part) for part in parts]


def _without_brackets(part: list[str]) -> list[str]:
    # (device.driver == "x"): only a part of five tokens can be the comparison in brackets.
    return part[1:-1] if len(part) == 5 and part[0] == "(" and part[-1] == ")" else part  # noqa: PLR2004
