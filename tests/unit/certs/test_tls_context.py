"""TLS over a loopback socket: which leaf a client gets, what is refused, and that no connection is dropped."""

import asyncio
import os
import socket
import ssl
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvloop
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.certificate import KeyPair, write_certificates
from certs.rotation import Schedule
from certs.rotation_steps import create
from certs.secret_content import SecretContent
from certs.tls_context import LiveTls, standalone_tls

NAMES = ("gpu-injector.gpu-injector.svc", "127.0.0.1")
NOW = datetime.now(UTC)
OLD, NEW = create(NAMES, NOW, Schedule()), create(NAMES, NOW, Schedule())


def client(*trusted: SecretContent, name: str | None = NAMES[0]) -> ssl.SSLContext:
    """Return a client that trusts these authorities alone."""
    pem = b"".join(write_certificates(one.bundle) for one in trusted).decode()
    context = ssl.create_default_context(cadata=pem)
    context.check_hostname = name is not None
    return context


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve lines back on loopback."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Talk:
    """One client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.tls: ssl.SSLObject = writer.get_extra_info("ssl_object")

    @classmethod
    async def open(cls, port: int, context: ssl.SSLContext, name: str | None = NAMES[0]) -> "Talk":
        """Connect; without a name no SNI is sent."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or ""))

    async def echo(self) -> bytes:
        """Send a line and return what comes back."""
        self.writer.write(b"line\n")
        return await self.reader.readline()

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("name", [NAMES[0], "127.0.0.1", None], ids=["SNI", "an address", "no SNI"])
def test_a_new_leaf_is_served_and_no_connection_is_dropped(
    new_loop: Callable[[], asyncio.AbstractEventLoop], name: str | None
) -> None:
    """A connection keeps what it began with; the next handshake gets the new leaf."""

    async def swap() -> None:
        tls = LiveTls()
        tls.present(OLD.leaf)
        async with listening(tls.context) as port:
            before = await Talk.open(port, client(OLD, name=name), name)
            assert await before.echo() == b"line\n"
            tls.present(NEW.leaf)
            after = await Talk.open(port, client(NEW, name=name), name)
            assert await after.echo() == b"line\n"
            assert await before.echo() == b"line\n"
            with pytest.raises(ssl.SSLCertVerificationError):
                await Talk.open(port, client(OLD, name=name), name)
            for talk in (before, after):
                await talk.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(swap())


def of_version(version: ssl.TLSVersion, *trusted: SecretContent) -> ssl.SSLContext:
    """Return a client that speaks one version only, however old."""
    context = client(*trusted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    return context


def shake_hands(port: int, context: ssl.SSLContext) -> None:
    """Connect and hang up. Unlike asyncio's client this one sends an alert when it closes, like other clients."""
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname=NAMES[0]):
        pass


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("stranger", "reason"),
    [
        (of_version(ssl.TLSVersion.TLSv1_3, NEW), "certificate-refused"),
        (of_version(ssl.TLSVersion.TLSv1_2, NEW), "certificate-refused"),
        (of_version(ssl.TLSVersion.TLSv1_1, OLD), "other"),
    ],
    ids=["untrusting, TLS 1.3", "untrusting, TLS 1.2", "old"],
)
def test_a_failed_handshake_is_told_with_its_reason(
    new_loop: Callable[[], asyncio.AbstractEventLoop], stranger: ssl.SSLContext, reason: str
) -> None:
    """Clients that refuse the certificate are counted apart from other failures; good ones are not reported."""

    async def fail() -> None:
        reported: asyncio.Queue[str] = asyncio.Queue()
        tls = LiveTls(reported.put_nowait)
        tls.present(OLD.leaf)
        async with listening(tls.context) as port:
            talk = await Talk.open(port, client(OLD))
            assert await talk.echo() == b"line\n"
            await talk.close()
            with pytest.raises(ssl.SSLError):
                await asyncio.to_thread(shake_hands, port, stranger)
            assert await reported.get() == reason
            assert reported.empty()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(fail())


async def test_a_hundred_swaps_under_constant_handshakes_refuse_no_client() -> None:
    """Clients that trust both leaves' authorities connect all the while."""
    tls = LiveTls()
    tls.present(OLD.leaf)
    context = client(OLD, NEW)
    over = asyncio.Event()
    met: set[bytes] = set()

    async def connect(port: int) -> None:
        while not over.is_set():
            talk = await Talk.open(port, context)
            assert await talk.echo() == b"line\n"
            met.add(talk.tls.getpeercert(binary_form=True) or b"")
            await talk.close()

    async def swap() -> None:
        for index in range(100):
            tls.present((OLD, NEW)[index % 2].leaf)
            await asyncio.sleep(0)
        while len(met) < 2:
            tls.present(OLD.leaf if tls.leaf == NEW.leaf else NEW.leaf)
            await (await Talk.open(port, context)).close()
        over.set()

    async with listening(tls.context) as port, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(connect(port))
        group.create_task(swap())
    assert len(met) == 2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken_with_forward_secrecy(version: ssl.TLSVersion) -> None:
    """And HTTP/1.1 is agreed on with a client that offers HTTP/2 first, as the API server does."""
    tls = LiveTls()
    tls.present(OLD.leaf)
    context = client(OLD)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with listening(tls.context) as port:
        talk = await Talk.open(port, context)
        cipher = talk.tls.cipher()
        assert cipher
        assert cipher[0].startswith(("TLS_", "ECDHE-ECDSA-"))
        assert talk.tls.selected_alpn_protocol() == "http/1.1"
        await talk.close()


@pytest.mark.parametrize("offer", [["-tls1_1"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"]])
async def test_what_is_weak_is_refused(offer: list[str]) -> None:
    """Old versions and ciphers without authenticated encryption; openssl is the client."""
    tls = LiveTls()
    tls.present(OLD.leaf)
    async with listening(tls.context) as port:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *offer]
        ran = await asyncio.to_thread(subprocess.run, command, input=b"", capture_output=True, check=False)
    assert b"Cipher is (NONE)" in ran.stdout


async def test_without_a_leaf_a_handshake_fails_and_the_listener_goes_on() -> None:
    """Without a leaf no handshake succeeds; later clients can succeed."""
    tls = LiveTls()
    async with listening(tls.context) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await Talk.open(port, client(OLD))
        tls.present(OLD.leaf)
        talk = await Talk.open(port, client(OLD))
        assert await talk.echo() == b"line\n"
        await talk.close()


ENCRYPTED = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
)


@pytest.mark.parametrize(
    "pair",
    [
        KeyPair(NEW.leaf.certificate, OLD.leaf.key),
        KeyPair(NEW.leaf.certificate[:300], NEW.leaf.key),
        KeyPair(NEW.leaf.certificate, NEW.leaf.key[:100]),
        KeyPair(NEW.leaf.certificate, ENCRYPTED),
    ],
    ids=["mismatched", "torn certificate", "torn key", "encrypted"],
)
async def test_a_bad_pair_is_refused_and_the_old_leaf_stays(pair: KeyPair) -> None:
    """A file that is half written must not take the webhook down."""
    tls = LiveTls()
    tls.present(OLD.leaf)
    with pytest.raises(ValueError, match=r"certificate|key"):
        tls.present(pair)
    assert tls.leaf == OLD.leaf
    async with listening(tls.context) as port:
        talk = await Talk.open(port, client(OLD))
        assert await talk.echo() == b"line\n"
        await talk.close()


def test_a_certificate_whose_intermediate_is_torn_is_refused_by_openssl() -> None:
    """The pair matches, but an intermediate after it is unreadable."""
    torn = OLD.leaf.certificate + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(ValueError, match="OpenSSL refuses"):
        LiveTls().present(KeyPair(torn, OLD.leaf.key))


def test_no_key_reaches_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's ssl reads keys from files only: it is given an anonymous one in memory."""
    paths: list[str] = []
    load = ssl.SSLContext.load_cert_chain

    def note(context: ssl.SSLContext, path: str, *, password: Callable[[], bytes]) -> None:
        paths.append(path)
        load(context, path, password=password)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", note)
    LiveTls().present(OLD.leaf)
    assert [path.startswith("/proc/self/fd/") for path in paths] == [True]
    assert not Path(paths[0]).exists()


def test_where_memory_has_no_files_a_private_one_is_used_and_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a Mac, for the demo."""
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tls = LiveTls()
    tls.present(OLD.leaf)
    assert tls.leaf == OLD.leaf
    assert not list(tmp_path.iterdir())


async def test_a_standalone_webhook_has_a_certificate_on_the_spot() -> None:
    """Made in memory for the given names; a client that trusts the returned authority connects."""
    context, authority = standalone_tls(("localhost", "127.0.0.1"))
    trusting = ssl.create_default_context(cadata=authority.decode())
    async with listening(context) as port:
        talk = await Talk.open(port, trusting, "localhost")
        assert await talk.echo() == b"line\n"
        await talk.close()
