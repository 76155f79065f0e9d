"""Kubernetes quantities: ``"1"``, ``1``, ``"1k"``, ``"0"``.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import math
import re

# No two parts can match the same text, so that matching is linear.
QUANTITY = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?", re.ASCII)
# No real quantity comes near this. The API server accepts longer ones.
QUANTITY_LIMIT = 64


def is_quantity(value: object) -> bool:
    """Say whether a value is a quantity; one that is longer than any real one is none."""
    if isinstance(value, int | float):
        return not isinstance(value, bool) and -math.inf < value < math.inf
    return isinstance(value, str) and len(value) <= QUANTITY_LIMIT and QUANTITY.fullmatch(value) is not None


def is_positive(quantity: object) -> bool:
    """Say whether a quantity is greater than zero.

    A value that is no quantity, or is longer than any real one, requests nothing.
    """
    if isinstance(quantity, int | float):
        return not isinstance(quantity, bool) and 0 < quantity < math.inf
    if not isinstance(quantity, str) or len(quantity) > QUANTITY_LIMIT:
        return False
    match = QUANTITY.fullmatch(quantity)
    return match is not None and match[1] != "-" and bool(match[2].strip("0."))
