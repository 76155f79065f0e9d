"""The value of a YAML scalar, as kubectl reads it: always a value of JSON.

A time stays text, and an unknown tag is ignored. Numbers in base 60 (``22:22``) stay text, as in Go's YAML libraries.
``y`` and ``n`` are booleans, as in YAML 1.1, and ``0o17`` and ``1e3`` numbers, as in YAML 1.2.
Source: https://github.com/kubernetes-sigs/yaml/blob/master/goyaml.v2/resolve.go
"""

import base64
import binascii
import re
from functools import lru_cache
from math import isfinite

Scalar = str | int | float | bool | None

TAGS = "tag:yaml.org,2002:"
MAX_CACHED_LENGTH = 64
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
# Without underscores, which may be anywhere after the first character.
INTEGER = re.compile(r"[-+]?(0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
BASES = {"0b": 2, "0o": 8, "0x": 16}
MAX_DIGITS = 400


def plain_value(text: str) -> Scalar:
    """Return the value of a plain scalar that has no tag."""
    return _cached(text) if len(text) <= MAX_CACHED_LENGTH else _plain(text)


def tagged_value(tag: str, text: str) -> Scalar:
    """Return the value of a scalar with a tag; raise ValueError if the text is not what the tag says."""
    match tag.removeprefix(TAGS):
        case "null":
            return None
        case "bool":
            return _boolean(text)
        case "int":
            return _integer(text)
        case "float":
            return float(text.replace("_", ""))
        case "binary":
            return _binary(text)
        case _:
            return text


@lru_cache(maxsize=4096)
def _cached(text: str) -> Scalar:
    return _plain(text)


def _plain(text: str) -> Scalar:
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if text[0] in "-+.0123456789" and len(text) <= MAX_DIGITS:
        number = text.replace("_", "")
        if INTEGER.fullmatch(number):
            return _integer(number)
        # A number that is too large for a float stays text.
        if FLOAT.fullmatch(number) and isfinite(value := float(number)):
            return value
    return text


def _boolean(text: str) -> bool:
    if text not in BOOLEANS:
        raise ValueError(f"{text!r} is not a boolean")
    return BOOLEANS[text]


def _integer(text: str) -> int | str:
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    base = BASES.get(digits[:2]) or (8 if digits.startswith("0") else 10)
    return sign * int(digits, base)


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split())).decode(errors="replace")
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error
