"""The command ``collect``."""
