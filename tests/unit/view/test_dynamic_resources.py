"""DRA: the driver of a DeviceClass, and the nodes of a ResourceSlice."""

from typing import Any

import pytest

from webhook.view.dynamic_resources import (
    MAX_EXPRESSION_CHARACTERS,
    ResourceSlice,
    project_device_class,
    project_resource_slice,
    required_drivers,
)

NVIDIA = "gpu.nvidia.com"
IS_NVIDIA = f'device.driver == "{NVIDIA}"'


@pytest.mark.parametrize(
    "expression",
    [
        IS_NVIDIA,
        f"device.driver == '{NVIDIA}'",
        f'"{NVIDIA}" == device.driver',
        f"({IS_NVIDIA})",
        f"{IS_NVIDIA} && device.attributes['{NVIDIA}'].type == 'gpu'",
        f"device.attributes['{NVIDIA}'].type in ['a', 'b'] && {IS_NVIDIA}",
        f"(device.capacity['x'].y > 1 || true) && {IS_NVIDIA}",
        f'  device.driver=="{NVIDIA}"\n&& has(device.attributes)',
        f"{IS_NVIDIA} && 'a || b' != 'c'",
    ],
)
def test_a_plain_conjunction_names_its_driver(expression: str) -> None:
    """In either order, in brackets, and beside other conditions."""
    assert list(required_drivers(expression)) == [NVIDIA]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "true",
        f'device.driver != "{NVIDIA}"',
        f"!({IS_NVIDIA})",
        f"{IS_NVIDIA} || true",
        f"{IS_NVIDIA} ? true : false",
        f"{IS_NVIDIA} == false",
        f"device.attributes['x'].note == 'device.driver == \"{NVIDIA}\"'",
        f"device.driver.startsWith('{NVIDIA}')",
        f'device.driver in ["{NVIDIA}"]',
        f'device.driver == r"{NVIDIA}"',
        'device.driver == "a\\" && device.driver == \\"b"',
        f"true // && {IS_NVIDIA}",
        f"{IS_NVIDIA} && '" + "x" * MAX_EXPRESSION_CHARACTERS + "' != ''",
        "'" * MAX_EXPRESSION_CHARACTERS,
        "(" * MAX_EXPRESSION_CHARACTERS,
    ],
    ids=lambda value: value[:40],
)
def test_other_expressions_name_none(expression: str) -> None:
    """Unknown is not a driver."""
    assert list(required_drivers(expression)) == []


@pytest.mark.parametrize(
    ("expressions", "driver"),
    [
        ([], ""),
        ([IS_NVIDIA], NVIDIA),
        (["device.attributes.size() > 0", IS_NVIDIA], NVIDIA),
        ([IS_NVIDIA, IS_NVIDIA], NVIDIA),
        ([IS_NVIDIA, 'device.driver == "other"'], ""),
    ],
    ids=str,
)
def test_the_driver_of_a_device_class(expressions: list[str], driver: str) -> None:
    """All selectors must hold, so one that names the driver is enough; two drivers are none."""
    selectors = [{"cel": {"expression": expression}} for expression in expressions]
    spec = {"extendedResourceName": "nvidia.com/gpu", "selectors": [{}, *selectors, "odd"]}
    found = project_device_class({"metadata": {"name": "gpu"}, "spec": spec})
    assert (found.name, found.extended_resource, found.driver) == ("gpu", "nvidia.com/gpu", driver)
    assert found.implicit_resource == "deviceclass.resource.kubernetes.io/gpu"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"nodeName": "a", "devices": [{"name": "gpu-0"}]}, ResourceSlice(NVIDIA, "a")),
        ({"nodeName": "a", "devices": []}, ResourceSlice(NVIDIA, "a", has_devices=False)),
        ({"allNodes": True, "devices": [{}]}, ResourceSlice(NVIDIA, everywhere=True)),
        ({"nodeSelector": {"nodeSelectorTerms": []}, "devices": [{}]}, ResourceSlice(NVIDIA)),
        ({"perDeviceNodeSelection": True, "devices": [{}]}, ResourceSlice(NVIDIA)),
        ({}, ResourceSlice(NVIDIA, has_devices=False)),
    ],
)
def test_the_node_of_a_resource_slice(spec: dict[str, Any], expected: ResourceSlice) -> None:
    """A selector leaves the nodes unknown."""
    item = {"metadata": {"name": "s"}, "spec": {"driver": NVIDIA, **spec}}
    assert project_resource_slice(item) == expected
