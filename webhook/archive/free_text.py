"""Texts that people and programs wrote, without what looks like a credential."""

import re
from collections.abc import Collection

HIDDEN = "(redacted)"
LONGEST_TEXT = 256 * 1024
# Of longer words nothing is compared: no argument is that long in a message.
WORD = re.compile(r"[^\s\"'`=,;()\[\]{}<>|\\]{6,512}")
# All repetitions are bounded.
TELLING_NAME = r"[\w-]{0,64}(?:token|passw(?:or)?d|secret|api[-_]?key|credentials?|authorization|configjson)[\w-]{0,64}"
ASSIGNED = rf"(?i:\b({TELLING_NAME})[\"']{{0,2}}\s{{0,4}}[:=]\s{{0,4}})[\"']?[^\s\"',;}}]{{1,8192}}"
CREDENTIALS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"-----BEGIN [A-Z ]{1,40}-----[^-]{0,20000}(?:-----END [A-Z ]{1,40}-----)?", HIDDEN),
        (r"://[^/\s\"'@]{1,512}@", f"://{HIDDEN}@"),
        (r"(https?://[^\s\"'?]{1,512})\?[^\s\"']{1,4096}", rf"\1?{HIDDEN}"),
        (r"(?i:\b(bearer|basic)\s{1,4})[A-Za-z0-9._~+/=-]{6,8192}", rf"\1 {HIDDEN}"),
        (r"\beyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_.-]{4,8192}", HIDDEN),
        (r"\b(?:AKIA|ASIA|ghp_|gho_|ghs_|glpat-|xox[abprs]-|hf_|nvapi-|sk-)[A-Za-z0-9_-]{8,512}", HIDDEN),
        (ASSIGNED, rf"\1={HIDDEN}"),
    )
)


def scrub(text: str, hidden: Collection[str] = ()) -> str:
    """Return a text without credentials, and without the words that were taken out elsewhere."""
    found = text[-LONGEST_TEXT:]
    for pattern, replacement in CREDENTIALS:
        found = pattern.sub(replacement, found)
    return WORD.sub(lambda word: HIDDEN if word[0] in hidden else word[0], found) if hidden else found


def words_of(text: str) -> set[str]:
    """Return the words of a value that was taken out: a message may repeat one of them."""
    return set(WORD.findall(text[:LONGEST_TEXT]))
