"""Whether a namespace's list of allowed tolerations permits one.

Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/util/tolerations/whitelist.go
"""

from collections.abc import Iterable, Mapping
from typing import Any

from webhook.kube.values import text

Toleration = Mapping[str, Any]
FIELDS = ("key", "operator", "value", "effect", "tolerationSeconds")


def allows(whitelist: Iterable[Toleration] | None, toleration: Toleration) -> bool:
    """Say whether some toleration of the list covers this one. No list, or an empty one, allows everything."""
    listed = tuple(whitelist or ())
    return not listed or any(_covers(allowed, toleration) for allowed in listed)


def _covers(allowed: Toleration, other: Toleration) -> bool:
    if all(allowed.get(field) in (other.get(field), *_unset(other.get(field))) for field in FIELDS):
        return True
    is_exists = allowed.get("operator") == "Exists"
    if text(other.get("key")) != text(allowed.get("key")) and (allowed.get("key") or not is_exists):
        return False
    if allowed.get("effect") and allowed.get("effect") != other.get("effect"):
        return False
    if allowed.get("effect") == "NoExecute" and not _lasts_no_longer(other, allowed.get("tolerationSeconds")):
        return False
    if is_exists:
        return True
    is_equal = allowed.get("operator") in (None, "", "Equal") and other.get("operator") == "Equal"
    return is_equal and text(allowed.get("value")) == text(other.get("value"))


def _unset(value: object) -> tuple[object, ...]:
    # An absent field and an empty one are the same.
    return (None, "") if value in (None, "") else ()


def _lasts_no_longer(toleration: Toleration, limit: object) -> bool:
    seconds = toleration.get("tolerationSeconds")
    if not isinstance(limit, int):
        return limit is None
    return isinstance(seconds, int) and seconds <= limit
