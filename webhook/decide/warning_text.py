"""The text of a warning: one line, cut at 120 characters."""

# Longer warnings are cut by the API server or by kubectl.
WARNING_LIMIT = 120
WARNING_PREFIX = "gpu-injector: "
# The start of warnings that only say what a dry-run would do.
DRY_RUN_WARNING = "gpu-injector: dry-run: "


def warning_line(text: str) -> str:
    """Return a text as one line that the API server accepts as a warning, cut where it is too long."""
    # A user may choose a name of a megabyte: look only at the characters that may be shown.
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * WARNING_LIMIT])
    line = WARNING_PREFIX + " ".join(shown.split())
    return line if len(line) <= WARNING_LIMIT else line[: WARNING_LIMIT - 1] + "…"
