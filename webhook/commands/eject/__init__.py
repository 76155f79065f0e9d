"""The command ``eject``."""
