"""The text of a warning: one line, cut at 120 characters."""

# Longer warnings are cut by the API server or by kubectl.
WARNING_LIMIT = 120
# Of a text whose end is shown.
LEAST_ENDING = 20
WARNING_PREFIX = "gpu-injector: "
# The start of warnings that only say what a dry-run would do.
DRY_RUN_WARNING = "gpu-injector: dry-run: "


def warning_line(text: str) -> str:
    """Return a text as one line that the API server accepts as a warning, cut where it is too long."""
    # A user may choose a name of a megabyte: look only at the characters that may be shown.
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * WARNING_LIMIT])
    line = WARNING_PREFIX + " ".join(shown.split())
    return line if len(line) <= WARNING_LIMIT else line[: WARNING_LIMIT - 1] + "…"


def ending_with(lead: str, text: str) -> str:
    """Return a warning that ends as a text does, if it is too long as a whole: errors say the cause last."""
    room = max(WARNING_LIMIT - len(WARNING_PREFIX) - len(lead), LEAST_ENDING)
    return lead + (text if len(text) <= room else f"…{text[1 - room :]}")
