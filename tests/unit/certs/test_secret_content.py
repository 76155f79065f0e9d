"""The content of a Secret: read, refused with a reason, and written back."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.certificate_secrets import EMPTY_SECRET, GOOD, NOW, OTHER, encode, secret_of
from support.fake_store import Json
from support.pods import JSON

from certs.certificate import KeyPair, fingerprint
from certs.secret_content import (
    REMEMBERED,
    RETIRE_ANNOTATION,
    ROTATE_ANNOTATION,
    SecretContent,
    read_content,
    write_content,
)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ({}, "empty"),
        (EMPTY_SECRET, "empty"),
        ({**EMPTY_SECRET, "data": None}, "empty"),
        ({**EMPTY_SECRET, "data": {"other": "AAAA"}}, "tls.crt is missing"),
        (secret_of(GOOD, **{"tls.key": None}), "tls.key is missing"),
        (secret_of(GOOD, **{"tls.crt": "%%%"}), "tls.crt is missing or not base64"),
        (secret_of(GOOD, **{"tls.crt": ""}), "no certificate"),
        (secret_of(GOOD, **{"tls.key": encode(b"garbage")}), "no private key"),
        (secret_of(GOOD, **{"tls.key": encode(OTHER.leaf.key)}), "belongs to another"),
        (secret_of(GOOD, **{"ca.crt": None}), "ca.crt is missing"),
        (secret_of(GOOD, **{"ca.crt": encode(b"garbage")}), "ca.crt contains no certificate"),
    ],
)
def test_a_secret_that_cannot_serve_is_refused_with_its_reason(secret: Json, why: str) -> None:
    """The reason can be logged: it shows nothing of the content."""
    with pytest.raises(ValueError, match=why) as refusal:
        read_content(secret)
    assert "PRIVATE" not in str(refusal.value)


@pytest.mark.parametrize("key", [None, encode(b"garbage"), "%%%", encode(OTHER.leaf.key)])
def test_a_pair_without_its_authoritys_key_is_read(key: str | None) -> None:
    """A pair from another tool is served even if its authority cannot issue the next leaf."""
    content = read_content(secret_of(GOOD, **{"ca.key": key}))
    assert content.signer is None
    assert content.leaf == GOOD.leaf


def test_what_is_written_is_read_again() -> None:
    """All other content of the Secret stays."""
    retire = {fingerprint(OTHER.bundle[0]): NOW}
    before = {**EMPTY_SECRET, "data": {"notes": "AAAA"}}
    content = SecretContent((*GOOD.bundle, *OTHER.bundle), GOOD.signer, GOOD.leaf, retire, "revoke")
    after = write_content(content, before)
    assert read_content(after) == content
    assert after["data"]["notes"] == "AAAA"
    assert after["metadata"]["labels"] == EMPTY_SECRET["metadata"]["labels"]
    assert set(after["data"]) == {"notes", "ca.crt", "ca.key", "tls.crt", "tls.key"}


def test_the_latest_authorities_that_left_are_remembered() -> None:
    """And every former one that is still trusted, or no replica would know when to remove it."""
    left = {f"{index:064x}": NOW + timedelta(days=index) for index in range(20)}
    retire = {fingerprint(OTHER.bundle[0]): NOW - timedelta(days=1), **left}
    content = SecretContent((*GOOD.bundle, *OTHER.bundle), GOOD.signer, GOOD.leaf, retire)
    kept = read_content(write_content(content, EMPTY_SECRET)).retire
    assert set(kept) == {fingerprint(OTHER.bundle[0]), *list(left)[-REMEMBERED:]}


@pytest.mark.parametrize("note", ["", "null", "[]", '{"a": 1}', '{"a": "yesterday"}', "[" * 90000, '{"a": null}'])
def test_a_damaged_note_of_former_authorities_is_no_obstacle(note: str) -> None:
    """They then stay until they expire."""
    secret = secret_of(GOOD)
    secret["metadata"] = {**secret["metadata"], "annotations": {RETIRE_ANNOTATION: note, ROTATE_ANNOTATION: "later"}}
    content = read_content(secret)
    assert (content.retire, content.rotate) == ({}, None)


@given(
    st.fixed_dictionaries({}, optional={"data": JSON, "metadata": JSON}),
    st.sampled_from(["", *secret_of(GOOD)["data"]]),
    JSON,
)
def test_no_secret_makes_the_reader_fail_otherwise_than_said(secret: Json, key: str, value: object) -> None:
    """Anything at all in a Secret is read, or refused with ValueError."""
    broken = secret_of(GOOD)
    broken["data"][key] = value
    for item in (secret, broken, {**broken, "metadata": secret.get("metadata")}):
        try:
            assert read_content(item).leaf.certificate
        except ValueError:
            continue


def test_a_stored_secret_is_never_shown() -> None:
    """Neither a log line nor a traceback that shows what was read may show a key."""
    shown = repr(GOOD) + repr(KeyPair(b"", b"PRIVATE"))
    assert "PRIVATE" not in shown
    assert json.dumps(secret_of(GOOD)) not in shown
