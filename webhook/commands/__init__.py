"""The commands, a package each."""
