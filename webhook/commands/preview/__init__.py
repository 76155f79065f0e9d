"""The command ``preview``."""
