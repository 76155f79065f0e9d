"""Compact labels say what a mapping of the same labels says."""

from hypothesis import given
from hypothesis import strategies as st

from webhook.view.compact_labels import CompactLabels

LABELS = st.dictionaries(st.sampled_from(["a", "b", "example.com/c"]), st.sampled_from(["", "true", "x"]))


@given(LABELS, LABELS)
def test_they_are_a_mapping(labels: dict[str, str], others: dict[str, str]) -> None:
    """Looked up, listed, counted and compared."""
    compact = CompactLabels(labels)
    assert dict(compact) == dict(compact.items()) == labels
    assert [compact.get(key) for key in "abd"] == [labels.get(key) for key in "abd"]
    assert compact.get("d", "none") == "none"
    assert (len(compact), "a" in compact, list(compact)) == (len(labels), "a" in labels, list(labels))
    assert (compact == CompactLabels(others)) is (labels == others)
    assert (compact == others) is (labels == others)
    assert repr(compact) == repr(labels)


def test_equal_keys_are_kept_once() -> None:
    """Thousands of nodes of one model have them."""
    one, other = CompactLabels({"a": "1", "b": "2"}), CompactLabels({"a": "3", "b": "4"})
    assert one._positions is other._positions  # noqa: SLF001 - what is kept cannot be seen from outside
