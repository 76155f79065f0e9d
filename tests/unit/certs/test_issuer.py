"""Certificates are checked by OpenSSL first, and then by the code that created them."""

import base64
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from certs.certificate import (
    BACKDATE,
    KeyPair,
    check_pair,
    fingerprint,
    load_key,
    matches_key,
    names_of,
    read_certificates,
    renewal,
    verify,
    write_certificates,
)
from certs.issuer import issue_leaf, make_authority, signing_key

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEAR, QUARTER = timedelta(days=365), timedelta(days=90)
NAMES = ("gpu-injector.gpu-injector.svc", "127.0.0.1", "::1")
AUTHORITY = make_authority(NOW, YEAR)
LEAF = issue_leaf(AUTHORITY, NAMES, NOW, QUARTER)
OTHER = make_authority(NOW, YEAR)
ROOTS = read_certificates(AUTHORITY.certificate)


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the openssl of this machine."""
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)


def openssl_verify(folder: Path, leaf: bytes, roots: bytes, at: datetime, *name: str) -> bool:
    """Whether OpenSSL's strict verification accepts a leaf as a server's."""
    (folder / "leaf.crt").write_bytes(leaf)
    (folder / "roots.crt").write_bytes(roots)
    time = str(int(at.timestamp()))
    strict = ("-x509_strict", "-purpose", "sslserver", "-attime", time, "-CAfile", str(folder / "roots.crt"))
    return openssl("verify", *strict, *name, folder / "leaf.crt").returncode == 0


@pytest.mark.parametrize(
    "name",
    [("-verify_hostname", NAMES[0]), ("-verify_ip", "127.0.0.1"), ("-verify_ip", "::1")],
    ids=["service", "ipv4", "ipv6"],
)
def test_openssl_accepts_the_leaf_under_each_of_its_names(name: tuple[str, str], tmp_path: Path) -> None:
    """Strict means RFC 5280 to the letter: key identifiers, critical basic constraints and key usage."""
    assert openssl_verify(tmp_path, LEAF.certificate, AUTHORITY.certificate, NOW, *name)


@pytest.mark.parametrize(
    ("roots", "at", "name"),
    [
        (OTHER.certificate, NOW, NAMES[0]),
        (AUTHORITY.certificate, NOW - BACKDATE - timedelta(seconds=1), NAMES[0]),
        (AUTHORITY.certificate, NOW + QUARTER + timedelta(seconds=1), NAMES[0]),
        (AUTHORITY.certificate, NOW, "gpu-injector.other.svc"),
        (b"", NOW, NAMES[0]),
        (LEAF.certificate, NOW, "gpu-injector.other.svc"),
    ],
    ids=["another authority", "too early", "expired", "another name", "no root", "the leaf as its root, another name"],
)
def test_a_leaf_is_refused_by_openssl_and_by_us(roots: bytes, at: datetime, name: str, tmp_path: Path) -> None:
    """A certificate that a client refuses must not count as valid here."""
    assert not openssl_verify(tmp_path, LEAF.certificate, roots, at, "-verify_hostname", name)
    assert verify(LEAF.certificate, read_certificates(roots), name, at) is None


@pytest.mark.parametrize("name", NAMES)
def test_the_root_that_vouches_is_named(name: str) -> None:
    """Of a bundle of several authorities, the issuer of the leaf is found at every position."""
    bundle = (*read_certificates(OTHER.certificate), *ROOTS)
    assert verify(LEAF.certificate, bundle, name, NOW) == ROOTS[0]


def test_an_authority_that_openssl_made_is_followed(tmp_path: Path) -> None:
    """`openssl req -x509` creates an authority without KeyUsage; Go's verifier accepts it, and so do we."""
    foreign, leaf = foreign_pair(tmp_path)
    assert verify(leaf.certificate, read_certificates(foreign.certificate), NAMES[0], datetime.now(UTC)) is not None


def test_a_leaf_of_a_foreign_authority_verifies(tmp_path: Path) -> None:
    """If an administrator stores an RSA authority in the Secret, leaves are renewed from it."""
    foreign, _ = foreign_pair(tmp_path)
    now = datetime.now(UTC)
    leaf = issue_leaf(foreign, NAMES, now, QUARTER)
    (tmp_path / "ca.crt").write_bytes(foreign.certificate)
    (tmp_path / "issued.crt").write_bytes(leaf.certificate)
    assert openssl("verify", "-CAfile", tmp_path / "ca.crt", tmp_path / "issued.crt").returncode == 0
    assert verify(leaf.certificate, read_certificates(foreign.certificate), NAMES[0], now) is not None


def test_a_leaf_cannot_act_as_an_authority(tmp_path: Path) -> None:
    """A thief of a leaf's key cannot issue certificates that a client accepts."""
    forged = issue_leaf(LEAF, NAMES, NOW, timedelta(days=1))
    roots = LEAF.certificate + AUTHORITY.certificate
    assert not openssl_verify(tmp_path, forged.certificate, roots, NOW)
    assert verify(forged.certificate, read_certificates(roots), NAMES[0], NOW) is None


def test_no_two_authorities_share_a_subject_or_key() -> None:
    """Some verifiers find issuers by subject; they must not try the wrong authority of a bundle."""
    authorities = [check_pair(make_authority(NOW, YEAR)) for _ in range(20)]
    assert len({one.subject.rfc4514_string() for one in authorities}) == 20
    identifiers = {
        one.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest for one in authorities
    }
    assert len(identifiers) == 20


def test_the_extensions_are_those_of_an_authority_and_of_a_server() -> None:
    """The authority signs certificates only, the leaf serves TLS only, and both extensions are critical."""
    authority, leaf = check_pair(AUTHORITY).extensions, check_pair(LEAF).extensions
    critical = {one.oid for one in (*authority, *leaf) if one.critical}
    assert critical == {x509.BasicConstraints.oid, x509.KeyUsage.oid}
    assert authority.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    assert leaf.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(False, None)
    assert authority.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert not leaf.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    usages = leaf.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [usage.dotted_string for usage in usages] == ["1.3.6.1.5.5.7.3.1"]
    issuer = leaf.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert issuer == authority.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def test_certificates_begin_an_hour_back_and_a_leaf_never_outlives_its_authority() -> None:
    """A verifier with a slow clock accepts at once; no chain has an expired top and a valid bottom."""
    leaf = check_pair(issue_leaf(AUTHORITY, NAMES, NOW + timedelta(days=360), QUARTER))
    assert check_pair(LEAF).not_valid_before_utc == NOW - BACKDATE
    assert check_pair(LEAF).not_valid_after_utc == NOW + QUARTER
    assert leaf.not_valid_after_utc == NOW + YEAR


def test_the_leaf_is_good_for_the_names_that_were_asked_for() -> None:
    """DNS names and addresses, both families."""
    assert names_of(check_pair(LEAF)) == set(NAMES)
    assert names_of(check_pair(AUTHORITY)) == frozenset()


ENCRYPTED = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
)


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (KeyPair(LEAF.certificate, OTHER.key), "belongs to another certificate"),
        (KeyPair(LEAF.certificate[: len(LEAF.certificate) // 2], LEAF.key), "no certificate"),
        (KeyPair(LEAF.certificate, LEAF.key[: len(LEAF.key) // 2]), "no private key"),
        (KeyPair(LEAF.certificate, ENCRYPTED), "no private key"),
        (KeyPair(LEAF.certificate, b""), "no private key"),
        (KeyPair(b"", LEAF.key), "no certificate"),
        (KeyPair(LEAF.key, LEAF.certificate), "no certificate"),
    ],
    ids=["mismatched", "torn certificate", "torn key", "encrypted key", "no key", "no certificate", "swapped"],
)
def test_a_pair_that_does_not_fit_is_refused(pair: KeyPair, why: str) -> None:
    """The message shows nothing of the key."""
    with pytest.raises(ValueError, match=why) as refusal:
        check_pair(pair)
    assert "PRIVATE" not in str(refusal.value)


def test_a_key_is_never_shown() -> None:
    """Neither a log line nor a traceback that shows a pair may show its key."""
    assert "PRIVATE" not in repr(LEAF)
    assert "key=" not in repr(LEAF)


def test_a_key_of_another_kind_is_no_match() -> None:
    """`matches_key` has an answer for every kind of key."""
    assert matches_key(ROOTS[0], AUTHORITY.key)
    assert not matches_key(ROOTS[0], OTHER.key)
    with pytest.raises(ValueError, match="no private key"):
        load_key(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


def test_a_key_that_signs_no_certificates_is_refused() -> None:
    """Ed25519 is not used: the API servers of some distributions do not verify it."""
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="neither ECDSA nor RSA"):
        signing_key(key)


def test_a_certificate_on_an_unknown_curve_is_refused(tmp_path: Path) -> None:
    """OpenSSL knows curves that other libraries do not."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP160r1")
    files = ("-keyout", str(tmp_path / "odd.key"), "-out", str(tmp_path / "odd.crt"))
    assert openssl("req", "-x509", *curve, "-nodes", *files, "-subj", "/CN=odd").returncode == 0
    odd = (tmp_path / "odd.crt").read_bytes()
    for key in ((tmp_path / "odd.key").read_bytes(), OTHER.key):
        with pytest.raises(ValueError, match="key"):
            check_pair(KeyPair(odd, key))
    assert verify(LEAF.certificate, read_certificates(odd), NAMES[0], NOW) is None


def test_an_authority_without_a_key_identifier_issues(tmp_path: Path) -> None:
    """A manually created authority: the leaf then names the issuer's key by its digest."""
    bare = ("-addext", "subjectKeyIdentifier=none", "-addext", "authorityKeyIdentifier=none")
    files = ("-keyout", str(tmp_path / "bare.key"), "-out", str(tmp_path / "bare.crt"))
    made = openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, "-subj", "/CN=bare", "-days", "9", *bare)
    assert made.returncode == 0, made.stderr
    now = datetime.now(UTC)
    authority = KeyPair((tmp_path / "bare.crt").read_bytes(), (tmp_path / "bare.key").read_bytes())
    leaf = issue_leaf(authority, NAMES, now, timedelta(days=1))
    assert verify(leaf.certificate, read_certificates(authority.certificate), NAMES[0], now) is not None


def test_an_authority_issues_with_its_own_key_only() -> None:
    """A leaf that its authority's certificate does not verify must never be issued."""
    with pytest.raises(ValueError, match="another certificate"):
        issue_leaf(KeyPair(AUTHORITY.certificate, OTHER.key), NAMES, NOW, QUARTER)


@pytest.mark.parametrize(
    ("age", "due", "reason"),
    [
        (timedelta(), False, "fresh"),
        (QUARTER * 0.66, False, "fresh"),
        (QUARTER * 0.71, True, "two-thirds-over"),
        (QUARTER - timedelta(seconds=1), True, "two-thirds-over"),
        (QUARTER + timedelta(seconds=1), True, "expired"),
        (-BACKDATE - timedelta(seconds=1), True, "not-yet-valid"),
    ],
)
def test_a_certificate_is_due_after_two_thirds_of_its_life(age: timedelta, *, due: bool, reason: str) -> None:
    """The hour before NotBefore is not part of its life: it was backdated."""
    answer = renewal(check_pair(LEAF), NOW + age, "replica")
    assert (answer.due, answer.reason) == (due, reason)


@given(st.text(max_size=40))
def test_renewal_is_spread_over_a_thirtieth_of_the_life_and_always_the_same(who: str) -> None:
    """A replica computes the same time at every call."""
    certificate = check_pair(LEAF)
    answer = renewal(certificate, NOW, who)
    assert NOW + QUARTER * 2 / 3 <= answer.at <= NOW + QUARTER * 21 / 30 + timedelta(seconds=1)
    assert renewal(certificate, NOW + QUARTER, who).at == answer.at


def test_replicas_do_not_renew_in_the_same_minute() -> None:
    """Of 50 replicas, one renews minutes before the others, which then have nothing to do."""
    times = sorted(renewal(check_pair(LEAF), NOW, f"replica-{index}").at for index in range(50))
    assert len({time.replace(second=0, microsecond=0) for time in times}) >= 48


@given(st.lists(st.sampled_from([AUTHORITY.certificate, LEAF.certificate, OTHER.certificate]), max_size=5), st.binary())
def test_certificates_are_found_among_anything(blocks: list[bytes], noise: bytes) -> None:
    """A bundle from another tool may contain comments, keys, incomplete blocks and repetitions."""
    torn = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    found = read_certificates(noise + b"\n" + torn + (b"\n" + noise.replace(b"-", b"") + b"\n").join([*blocks, b""]))
    assert write_certificates(found) == b"".join(dict.fromkeys(blocks))
    assert len({fingerprint(one) for one in found}) == len(found)


def test_a_certificate_of_an_unknown_version_is_passed_over() -> None:
    """The library raises a special error for it, which is not a ValueError."""
    der = bytearray(ROOTS[0].public_bytes(serialization.Encoding.DER))
    version = der.index(b"\xa0\x03\x02\x01\x02") + 4
    der[version] = 4
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
    assert read_certificates(pem + AUTHORITY.certificate) == ROOTS


def foreign_pair(folder: Path) -> tuple[KeyPair, KeyPair]:
    """Make an RSA authority and a leaf with the openssl of this machine, as an administrator could do."""
    made = [
        ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "f.key", "-out", "f.crt", "-subj", "/CN=by hand"),
        ("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "l.key", "-out", "l.csr", "-subj", "/CN=leaf"),
        ("x509", "-req", "-in", "l.csr", "-CA", "f.crt", "-CAkey", "f.key", "-CAcreateserial", "-out", "l.crt"),
    ]
    (folder / "names").write_text(f"subjectAltName=DNS:{NAMES[0]}\n")
    for arguments in made:
        extra: Sequence[str] = ("-days", "20", "-extfile", "names") if arguments[0] == "x509" else ()
        subprocess.run(["openssl", *arguments, *extra], cwd=folder, check=True, capture_output=True)
    files = {name: (folder / name).read_bytes() for name in ("f.crt", "f.key", "l.crt", "l.key")}
    return KeyPair(files["f.crt"], files["f.key"]), KeyPair(files["l.crt"], files["l.key"])
