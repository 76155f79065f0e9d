"""A short text by which policies are compared: setbacks count under the policy under which they happened."""

import hashlib

from webhook.policy.model import Policy


def fingerprint(policy: Policy) -> str:
    """Return a short text that differs for policies that differ."""
    return hashlib.sha256(policy.model_dump_json().encode()).hexdigest()[:16]
