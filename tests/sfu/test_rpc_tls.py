"""The rpc between machines: whoever does not hold the nodes' key pair learns nothing and asks nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from config.tls import node_certificate
from sfu.addresses import interface_addresses
from sfu.rpc.client import WorkerClient, WorkerLost
from sfu.rpc.frames import encode
from sfu.rpc.messages import GetStatus, Hello, Reply, Request, Status
from sfu.rpc.node_tls import CERTIFICATE, NodeTls, stays_here
from sfu.rpc.node_tls import KEY as KEY_FILE
from sfu.rpc.server import RpcServer

pytestmark = pytest.mark.asyncio

KEY = b"k" * 64
LIMIT_S = 5.0
STATUS = Status("w", "fake", 0, 0, 0, 0, 0.0)


def outer_address() -> str:
    """An address of this machine that is not loopback."""
    found = [each for each in interface_addresses() if ":" not in each and not stays_here(each)]
    if not found:
        pytest.skip("NOT RUN: this machine has loopback only")
    return found[0]


def tls_of(folder: Path) -> NodeTls:
    """The pair of an installation, made there when it is missing."""
    folder.mkdir(exist_ok=True)
    node_certificate(folder, datetime.now(UTC))
    found = NodeTls.of(folder)
    assert found is not None
    return found


class Asked(list[Request]):
    """What a worker was asked."""

    def handle(self, request: Request) -> Reply:
        self.append(request)
        return STATUS


@pytest.fixture
def ours(tmp_path: Path) -> NodeTls:
    return tls_of(tmp_path / "ours")


@pytest_asyncio.fixture
async def listening(ours: NodeTls) -> AsyncIterator[tuple[tuple[str, int], Asked]]:
    """Where a worker listens beyond loopback, and what it is asked."""
    asked = Asked()
    server = RpcServer(KEY, "w", asked.handle)
    yield await server.listen(outer_address(), tls=ours), asked
    await server.close()


def client(address: tuple[str, int], tls: NodeTls | None) -> WorkerClient:
    return WorkerClient(address, KEY, lambda _: None, tls=tls)


async def test_a_node_of_ours_asks_and_is_answered(
    listening: tuple[tuple[str, int], Asked], ours: NodeTls
) -> None:
    address, asked = listening
    async with client(address, ours) as worker:
        assert await worker.request(GetStatus()) == STATUS
    assert asked == [GetStatus()]


async def test_the_key_alone_is_not_enough(
    listening: tuple[tuple[str, int], Asked], ours: NodeTls, tmp_path: Path
) -> None:
    address, asked = listening
    foreign = tls_of(tmp_path / "foreign")
    nameless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nameless.check_hostname, nameless.verify_mode = False, ssl.CERT_NONE
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.load_cert_chain(tmp_path / "ours/node.pem", tmp_path / "ours/node.key")
    hello = encode(Hello(KEY))
    for context in (None, nameless, old, foreign.client):
        said = b""
        try:
            async with asyncio.timeout(LIMIT_S):
                reader, writer = await asyncio.open_connection(*address, ssl=context)
                writer.write(hello)
                said = await reader.read()
                writer.close()
        except (ConnectionError, ssl.SSLError):
            pass
        assert KEY not in said
    with pytest.raises(WorkerLost):
        await client(address, foreign).connect()
    with pytest.raises(WorkerLost, match="no key pair"):
        await client(address, None).connect()
    assert asked == []


def stranger_s_pair(folder: Path) -> NodeTls:
    """Another pair, good for either side, of another name: OpenSSL looks for who is trusted by name."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / CERTIFICATE).write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / KEY_FILE).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return tls_of(folder)


async def test_it_is_the_whole_certificate_that_is_recognised(ours: NodeTls, tmp_path: Path) -> None:
    """Whatever OpenSSL is brought to trust, on either side."""
    foreign = stranger_s_pair(tmp_path / "foreign")
    for context in (ours.server, ours.client):
        context.load_verify_locations(tmp_path / "foreign" / CERTIFICATE)
    for context in (foreign.server, foreign.client):
        context.load_verify_locations(tmp_path / "ours" / CERTIFICATE)
    who_knows_us = replace(foreign, _pinned=ours._pinned)
    asked = Asked()
    worker, other = (RpcServer(KEY, "w", asked.handle) for _ in range(2))
    try:
        address = await worker.listen(outer_address(), tls=ours)
        with pytest.raises(WorkerLost):
            await client(address, who_knows_us).connect()
        address = await other.listen(outer_address(), tls=replace(foreign, _pinned=ours._pinned))
        with pytest.raises(WorkerLost, match="none of our nodes"):
            await client(address, ours).connect()
    finally:
        await worker.close()
        await other.close()
    assert asked == []


@asynccontextmanager
async def impostor(context: ssl.SSLContext | None) -> AsyncIterator[tuple[tuple[str, int], bytearray]]:
    """Somebody at a worker's address: what they are told."""
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.extend(await reader.read(1000))
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(listen, outer_address(), 0, ssl=context)
    host, port = server.sockets[0].getsockname()[:2]
    yield (host, port), heard
    server.close()
    await server.wait_closed()


async def test_an_impostor_at_a_workers_address_is_not_told_the_key(ours: NodeTls, tmp_path: Path) -> None:
    foreign = tls_of(tmp_path / "foreign")
    foreign.server.verify_mode = ssl.CERT_NONE
    for context in (None, foreign.server):
        async with impostor(context) as (address, heard):
            with pytest.raises(WorkerLost):
                await client(address, ours).connect(timeout_s=2.0)
            assert KEY not in heard


async def test_nobody_listens_beyond_this_machine_without_the_pair(tmp_path: Path) -> None:
    assert NodeTls.of(tmp_path) is None
    server = RpcServer(KEY, "w", Asked().handle)
    with pytest.raises(OSError, match="no key pair of the nodes"):
        await server.listen(outer_address())
    with pytest.raises(OSError, match="no key pair of the nodes"):
        await server.listen("0.0.0.0")


async def test_a_pair_that_is_none_is_refused(tmp_path: Path) -> None:
    tls_of(tmp_path / "one")
    tls_of(tmp_path / "two")
    (tmp_path / "one/node.key").write_bytes((tmp_path / "two/node.key").read_bytes())
    with pytest.raises(ssl.SSLError):
        NodeTls.of(tmp_path / "one")


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("10.0.0.1", False), ("localhost", False),
     ("0.0.0.0", False), ("::", False), ("::ffff:10.0.0.1", False)],
)  # fmt: skip
async def test_only_loopback_stays_here(host: str, *, here: bool) -> None:
    assert stays_here(host) is here
