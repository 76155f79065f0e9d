"""What programs cannot read in a JSON value: lists of sentences."""

from collections.abc import Iterator

# A list of names or other words has no longer ones.
WORDS_OF_A_SENTENCE = 3


def lists_of_sentences(value: object, path: str = "") -> list[str]:
    """Return the places of a JSON value with a list in which a text has several words."""
    return list(_found(value, path))


def _found(value: object, path: str) -> Iterator[str]:
    if isinstance(value, list) and any(_is_sentence(part) for part in value):
        yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        # An object as it is in the cluster, and its patch, are the user's.
        if key not in ("patched", "operations"):
            yield from _found(part, f"{path}/{key}")


def _is_sentence(value: object) -> bool:
    return isinstance(value, str) and len(value.split()) >= WORDS_OF_A_SENTENCE
