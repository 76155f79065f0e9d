"""Plain scalars have the values that kubectl gives them: what it printed for each, by `kubectl label --local`."""

import json

import pytest

from webhook.commands.shared.yaml_text import fast_yaml, yaml_text
from webhook.commands.yaml_edit.render import scalar_text
from webhook.kube.manifests import load
from webhook.kube.yaml_scalars import plain_value

TRUE = ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE")
FALSE = ("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE")
TEXTS = (
    "tRUE",
    "yEs",
    "nUll",
    "22:22",
    "1:30",
    "2024-01-01",
    "=",
    "_1",
    "0x",
    "0b",
    "0b2",
    "1e",
    "+",
    ".",
    "..",
    "100m",
)
NUMBERS = {
    "0o17": 15,
    "0O17": 15,
    "017": 15,
    "0o_7": 7,
    "007": 7,
    "0777": 511,
    "-017": -15,
    "08": 8,
    "09": 9,
    "0x1F": 31,
    "0X1F": 31,
    "-0x1F": -31,
    "0x_1F": 31,
    "0b11": 3,
    "0B11": 3,
    "+0b11": 3,
    "-0b11": -3,
    "1_000": 1000,
    "1_000_": 1000,
    "1__0": 10,
    "0_7": 7,
    "+1": 1,
    "-0": 0,
    "00": 0,
    "1e3": 1000,
    "1E3": 1000,
    "1e+3": 1000,
    "12e03": 12000,
    "-1e3": -1000,
    "0e0": 0,
    "0.1e-2": 0.001,
    "1.e3": 1000,
    ".5": 0.5,
    "-.5": -0.5,
    "+.5": 0.5,
    ".5e3": 500,
    "5.e-1": 0.5,
    ".5_0": 0.5,
    "1.": 1,
    "1_0.5": 10.5,
    "-0.0": 0,
}
VALUES = {
    **dict.fromkeys(TRUE, True),
    **dict.fromkeys(FALSE, False),
    **dict.fromkeys(("~", "null", "Null", "NULL"), None),
    **{text: text for text in (*TEXTS, "0x1p-2", "1e400", "inf", "Infinity", "NaN", "+Inf", ".e3")},
    **NUMBERS,
}


@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_a_plain_scalar_is_what_kubectl_reads(text: str, value: object) -> None:
    """``hostUsers: n`` is false, and ``nvidia.com/gpu: 0o1`` is one."""
    found = plain_value(text)
    assert (found, isinstance(found, bool), isinstance(found, str)) == (
        value,
        value in (True, False) and type(value) is bool,
        isinstance(value, str),
    )
    assert load(f"a: {text}") == {"a": value}


@pytest.mark.parametrize("text", VALUES)
def test_a_text_that_looks_like_another_value_is_quoted(text: str) -> None:
    """Wherever we write one: an edit, a document that is rendered again, and a saved view, as key and as value."""
    for written in (yaml_text({"a": text}), f"a: {scalar_text(text)}", fast_yaml({"a": text})):
        assert load(written) == {"a": text}
    assert load(fast_yaml({text: 1})) == {text: 1}


def test_a_key_is_what_kubectl_reads() -> None:
    """A key that is no text becomes one, as in JSON."""
    assert load("y: 1\n'n': 2\n1: 3\n") == {"true": 1, "n": 2, "1": 3} == json.loads('{"true": 1, "n": 2, "1": 3}')
