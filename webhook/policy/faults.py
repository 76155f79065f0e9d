"""What is wrong with a value of the policy file, and how it is written correctly."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from posixpath import basename
from typing import Any

from pydantic_core import ErrorDetails

from webhook.policy import model
from webhook.policy.model import Policy

# Each pattern of the model in words, with examples.
SHAPES = {
    model.DNS_SUBDOMAIN: "a name in lower case: letters, digits and hyphens, such as kube-system",
    model.RESOURCE_PATTERN: "an extended resource with its domain, such as nvidia.com/gpu or nvidia.com/mig-* "
    "(`*` only at the end of a name)",
    model.CAPABILITIES: "capabilities in lower case, with commas between them, such as compute,utility",
    model.LIBRARY_NAME: "the file name of a library, without a folder, such as libcuda.so.1 or "
    "libnvidia-gpucomp.so.{driver_version}",
    model.NVML_NAME: "a file name of NVML, such as libnvidia-ml.so.1 or libnvidia-ml.so.{driver_version}",
    model.LABEL_KEY: "the key of a label, such as app.kubernetes.io/name",
    model.LABEL_VALUE: "the value of a label, such as nvidia-device-plugin",
    model.TAINT_KEY: "the key of a taint, such as example.com/starting or example.com/*",
    model.BINARY_NAME: "the name of a program of the driver, such as nvidia-smi",
    model.DIRECTORY: "a full path without `..`, such as /usr/lib/{triplet}",
    model.PATTERN: "text without control characters, such as Ubuntu *",
}
QUOTES = '""'
SWITCHES = {"yes": "true", "on": "true", "true": "true", "1": "true", "no": "false", "off": "false", "false": "false"}
NEEDED = {
    "tuple_type": "a list is needed",
    "list_type": "a list is needed",
    "dict_type": "a mapping of keys to values is needed",
    "model_type": "a mapping of keys to values is needed",
    "string_type": "text is needed",
    "missing": "the key is missing",
    "too_short": "at least one item is needed",
}
# Here the value is not the mistake.
UNSHOWN = frozenset({"missing", "too_short", "model_type"})
LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake: the line from 1, the key, what is wrong, the allowed words, and how the value would be correct.

    ``allowed`` is empty where any text of a shape is allowed, ``suggestion`` where nothing is close to the value.
    """

    line: int
    key: str
    problem: str
    allowed: tuple[str, ...] = ()
    suggestion: str = ""

    def __str__(self) -> str:
        hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        lead = " Allowed" if hint else "; allowed"
        words = f"{lead}: {', '.join(self.allowed)}" if self.allowed else ""
        return f"{self.line}: {self.key}: {self.problem}{hint}{words}"


def fault_of(detail: ErrorDetails, line: int) -> Fault:
    """Return what one error of the validation means."""
    key, value = ".".join(map(str, detail["loc"])) or "(the file)", detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            keys = allowed_keys(detail["loc"][:-1])
            return Fault(line, key, "unknown key", tuple(keys), _closest(str(detail["loc"][-1]), keys))
        case "bool_type":
            suggestion = SWITCHES.get(str(value).lower(), "")
            return Fault(line, key, _refused(value), ("true", "false"), suggestion)
        case "literal_error" | "enum":
            words = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
            allowed = tuple(word or QUOTES for word in words)
            return Fault(line, key, _refused(value), allowed, _closest(str(value), words))
        case "string_pattern_mismatch":
            pattern = detail["ctx"]["pattern"]
            problem = f"{_refused(value)}: it must be {SHAPES[pattern]}"
            return Fault(line, key, problem, suggestion=_repaired(str(value), pattern))
        case kind:
            refused = "" if kind in UNSHOWN else f"{_refused(value)}: "
            suggestion = _as_list(value) if kind == "tuple_type" else ""
            return Fault(line, key, f"{refused}{NEEDED.get(kind, detail['msg'])}", suggestion=suggestion)


def allowed_keys(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the mapping at a location of the policy."""
    schema: dict[str, Any] = Policy.model_json_schema()
    place = schema
    for part in location:
        place = place.get("items", {}) if isinstance(part, int) else place.get("properties", {}).get(part, {})
        if "$ref" in place:
            place = schema["$defs"][place["$ref"].rpartition("/")[2]]
    return sorted(place.get("properties", {}))


def _refused(value: object) -> str:
    return f"{_shown(value)} is not allowed"


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _closest(word: str, allowed: list[str]) -> str:
    plain = {_plain(item): item for item in allowed}
    found = get_close_matches(_plain(word[:LONGEST_SHOWN]), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else ""


def _plain(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


def _repaired(value: str, pattern: str) -> str:
    """Return a value of the wanted shape that is close to the one given, empty for none."""
    if len(value) > LONGEST_SHOWN:
        return ""
    close = (value.strip(), value.strip().lower(), basename(value), f"/{value.strip('/')}", f"nvidia.com/{value}")
    wanted = [item for item in close if item != value and re.fullmatch(pattern, item)]
    is_domain_guess = wanted and wanted[0].startswith("nvidia.com/") and pattern != model.RESOURCE_PATTERN
    return "" if not wanted or is_domain_guess else wanted[0]


def _as_list(value: object) -> str:
    return f"[{value}]" if isinstance(value, str) and 0 < len(value) <= LONGEST_SHOWN else ""
