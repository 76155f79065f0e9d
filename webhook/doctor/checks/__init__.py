"""The checks of doctor, a file a category."""
