"""Reads the policy file. Each error names the file, the line, the key and the allowed values."""

import json
from collections.abc import Sequence

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from webhook.policy.faults import Fault, fault_of
from webhook.policy.line_numbers import duplicate_keys, line_of
from webhook.policy.model import Policy

# What PyYAML raises for a value that its tag does not allow.
_MISFITS = (LookupError, AttributeError, ArithmeticError)
_MISFIT = "a value does not fit its type, or a key is no text"


class PolicyError(ValueError):
    """An invalid policy; the message has a line for each error, with file, line, key and allowed values.

    ``faults`` are the same errors as data; empty where the text is no YAML.
    """

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


def _without_followers(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short where its items are the mistake."""
    inner = {item["loc"][:-1] for item in details}
    return [item for item in details if item["type"] != "too_short" or item["loc"] not in inner]


def parse_policy(text: str, source: str) -> Policy:
    """Read a policy from the text of its YAML file; ``source`` is its name in errors.

    Raises PolicyError, also for duplicate keys.
    """
    try:
        return _parse(text, source)
    except RecursionError:
        raise PolicyError(f"{source}: nested too deeply, or in itself") from None


def _parse(text: str, source: str) -> Policy:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        plain = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: an invalid date
        raise _not_yaml(error, source) from error
    except _MISFITS as error:
        raise PolicyError(f"{source}: not YAML: {_MISFIT}") from error
    if root is None or plain is None:
        return Policy()
    if twice := list(duplicate_keys(root)):
        raise PolicyError("\n".join(f"{source}:{fault}" for fault in twice), twice)
    try:
        # Through JSON, strict validation accepts a list for a tuple.
        return Policy.model_validate_json(json.dumps(plain, default=str), by_alias=True, by_name=False)
    except ValidationError as error:
        details = _without_followers(error.errors())
        found = sorted((fault_of(item, line_of(root, item["loc"])) for item in details), key=lambda one: one.line)
        raise PolicyError("\n".join(f"{source}:{fault}" for fault in found), found) from error
    except (TypeError, ValueError) as error:  # not JSON: a date as a key, or a number of thousands of digits
        raise PolicyError(f"{source}: not YAML: {_MISFIT}") from error


def _not_yaml(error: yaml.YAMLError | ValueError, source: str) -> PolicyError:
    mark = getattr(error, "problem_mark", None)
    place = f"{source}:{mark.line + 1}" if mark else source
    said = " ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    return PolicyError(f"{place}: not YAML: {said or ' '.join(str(error).split())}")
