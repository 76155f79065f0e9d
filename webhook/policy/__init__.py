"""What the administrator asked for: the policy file, read and validated."""

from webhook.policy.model import Policy

__all__ = ["Policy"]
