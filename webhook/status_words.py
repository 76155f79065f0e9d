"""Which events of a replica report a problem: one list for its log, its page, and doctor."""

import re

PROBLEM_ENDINGS = (
    "-lost",
    "-refused",
    "-unreachable",
    "-unreadable",
    "-foreign",
    "-contested",
    "-unusable",
    "-held",
    "-names-missing",
    "-expired",
    "-died",
    "-missed",
    "-drifted",
)
"""How the names of events end that an administrator should read."""

# In a log of JSON lines.
_LOGGED = re.compile(rf'"event": ?"([a-z-]{{1,60}}(?:{"|".join(PROBLEM_ENDINGS)}))"')


def reports_problem(event: str) -> bool:
    """Say whether an event reports a problem."""
    return event.endswith(PROBLEM_ENDINGS)


def problems_in_log(log: str) -> tuple[str, ...]:
    """Return the events of a log that report problems, each once, in order."""
    return tuple(dict.fromkeys(_LOGGED.findall(log)))
