"""What the webhook's listener accepts, tested with OpenSSL's client at its lowest security level."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.page.standalone import Standalone, standalone

VIEW = Path(__file__).with_name("page") / "view.yaml"
# Ephemeral keys for each connection, and ciphers that authenticate what they encrypt; the leaf's key is ECDSA.
STRONG = {
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
}
STRONG_13 = {"TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"}
WEAK_GROUPS = ["P-192", "secp160r1", "secp224r1", "sect163k1"]
ANY = ["-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """Run the webhook."""
    with standalone(VIEW, tmp_path_factory.mktemp("tls-")) as running:
        yield running


def asked(webhook: Standalone, *offer: str, typed: str = "") -> str:
    """Return what openssl says of a handshake with this offer, and of what is typed afterwards."""
    where = ("-connect", f"localhost:{webhook.port}", "-servername", "localhost", "-CAfile", str(webhook.authority))
    done = subprocess.run(
        ["openssl", "s_client", *where, "-verify_return_error", *offer],
        input=typed,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout + done.stderr


def agreed(told: str) -> tuple[str, str]:
    """Return version and cipher of a handshake; the cipher is (NONE) where none was agreed to."""
    found = re.search(r"^New, (\S+), Cipher is (\S+)$", told, re.MULTILINE)
    assert found, told
    return found[1], found[2]


def ciphers() -> list[str]:
    """Return every cipher before TLS 1.3 that this OpenSSL knows, broken ones included."""
    known = subprocess.run(["openssl", "ciphers", "-v", ANY[1]], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in known.splitlines() if "TLSv1.3" not in line]


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(webhook: Standalone, version: str) -> None:
    """The client offers them, and the server ends the connection."""
    told = asked(webhook, version, *ANY)
    assert "no protocols available" not in told
    assert re.search(r"read 0 bytes and written [1-9]", told)
    assert agreed(told) == ("(NONE)", "(NONE)")


@pytest.mark.parametrize(("version", "strong"), [("1_2", STRONG), ("1_3", STRONG_13)])
def test_new_versions_are_accepted_and_verify(webhook: Standalone, version: str, strong: set[str]) -> None:
    """By the authority that the webhook wrote down."""
    told = asked(webhook, f"-tls{version}")
    assert agreed(told)[1] in strong
    assert "Verify return code: 0 (ok)" in told


def test_of_all_ciphers_the_strong_alone_are_accepted(webhook: Standalone) -> None:
    """All are offered, and again without the one that was agreed to, until the server agrees to none of the others."""
    offered, accepted = ciphers(), set()
    assert {"AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-CCM", *STRONG} <= set(offered)
    while (cipher := agreed(asked(webhook, "-tls1_2", "-cipher", ":".join([*offered, "@SECLEVEL=0"])))[1]) != "(NONE)":
        accepted.add(cipher)
        offered.remove(cipher)
    assert accepted == STRONG


def test_of_all_ciphers_of_tls_1_3_the_known_ones_are_accepted(webhook: Standalone) -> None:
    """All of that version's are strong."""
    for cipher in STRONG_13:
        assert agreed(asked(webhook, "-tls1_3", "-ciphersuites", cipher)) == ("TLSv1.3", cipher)


@pytest.mark.parametrize("weak", WEAK_GROUPS)
def test_weak_curves_are_not_used(webhook: Standalone, weak: str) -> None:
    """Alone they get no connection, and as a client's first choice they are passed over."""
    assert agreed(asked(webhook, "-tls1_2", "-groups", weak, *ANY))[1] == "(NONE)"
    assert "Server Temp Key: ECDH, prime256v1, " in asked(webhook, "-tls1_2", "-groups", f"{weak}:P-256", *ANY)


def test_nothing_is_compressed_or_resumed(webhook: Standalone) -> None:
    """Compression tells secrets by their length; a ticket's key would live as long as the process."""
    told = asked(webhook, "-tls1_2", "-comp")
    assert "Compression: NONE" in told
    assert "TLS session ticket:" not in told


def test_a_connection_is_not_renegotiated(webhook: Standalone) -> None:
    """A client that asks for it would make the server work for nothing; `R` asks, and the server ends it."""
    told = asked(webhook, "-tls1_2", typed="R\n")
    assert "RENEGOTIATING" in told
    assert "no renegotiation" in told
