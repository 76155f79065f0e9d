"""The command ``completion``."""
