"""The command ``policy``."""
