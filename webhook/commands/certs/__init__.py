"""The command ``certs``."""
