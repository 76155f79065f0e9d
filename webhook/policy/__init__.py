"""The policy file: its keys, and reading it."""

from webhook.policy.model import Policy

__all__ = ["Policy"]
