"""The command ``decisions``."""
