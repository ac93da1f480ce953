"""The local certificate authority: what a device that trusts it accepts, and when things are made anew."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from config.tls import LEAF_LIFE, RENEW_BEFORE, local_certificate, node_certificate

NOW = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)


def handshake(certificate: Path, key: Path, authority: Path, name: str) -> None:
    """A whole TLS handshake in memory, as a client that trusts ``authority`` alone; raises ssl.SSLError."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate, key)
    client_context = ssl.create_default_context(cafile=str(authority))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    done = {server: False, client: False}
    for _ in range(10):
        for side in done:
            try:
                side.do_handshake()
                done[side] = True
            except ssl.SSLWantReadError:
                pass
        if all(done.values()):
            return
    pytest.fail("the handshake did not end")


@pytest.mark.parametrize("name", ["lessons.example", "192.0.2.7", "2001:db8::7", "localhost"])
def test_trusting_device_accepts_every_name(tmp_path: Path, name: str) -> None:
    names = ["lessons.example", "192.0.2.7", "2001:db8::7", "localhost"]
    certificate, key = local_certificate(tmp_path, names, datetime.now(UTC))
    handshake(certificate, key, tmp_path / "ca.pem", name)


def test_other_names_are_refused(tmp_path: Path) -> None:
    certificate, key = local_certificate(tmp_path, ["lessons.example"], datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificate, key, tmp_path / "ca.pem", "elsewhere.example")


def test_second_start_makes_nothing_anew(tmp_path: Path) -> None:
    local_certificate(tmp_path, ["lessons.example"], NOW)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    local_certificate(tmp_path, ["lessons.example"], NOW + timedelta(days=1))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert sorted(before) == ["ca.key", "ca.pem", "server.key", "server.pem"]
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("names", "later"),
    [
        (["other.example"], timedelta(0)),
        (["lessons.example", "localhost"], timedelta(0)),
        (["lessons.example"], LEAF_LIFE - RENEW_BEFORE),
    ],
)
def test_certificate_is_renewed_below_the_same_authority(
    tmp_path: Path, names: list[str], later: timedelta
) -> None:
    local_certificate(tmp_path, ["lessons.example"], NOW)
    authority, former = (tmp_path / "ca.pem").read_bytes(), (tmp_path / "server.pem").read_bytes()
    certificate, _ = local_certificate(tmp_path, names, NOW + later)
    assert (tmp_path / "ca.pem").read_bytes() == authority
    assert certificate.read_bytes() != former


def test_authority_near_its_end_is_replaced_with_its_certificate(tmp_path: Path) -> None:
    certificate, _ = local_certificate(tmp_path, ["lessons.example"], NOW)
    authority = (tmp_path / "ca.pem").read_bytes()
    local_certificate(tmp_path, ["lessons.example"], NOW + timedelta(days=3650 - 390))
    renewed = (tmp_path / "ca.pem").read_bytes()
    assert renewed != authority
    x509.load_pem_x509_certificate(certificate.read_bytes()).verify_directly_issued_by(
        x509.load_pem_x509_certificate(renewed)
    )


@pytest.mark.parametrize("file", ["ca.key", "ca.pem", "server.key", "server.pem"])
@pytest.mark.parametrize("damage", [b"", b"not PEM"])
def test_damaged_files_are_made_anew(tmp_path: Path, file: str, damage: bytes) -> None:
    local_certificate(tmp_path, ["localhost"], datetime.now(UTC))
    (tmp_path / file).write_bytes(damage)
    certificate, key = local_certificate(tmp_path, ["localhost"], datetime.now(UTC))
    handshake(certificate, key, tmp_path / "ca.pem", "localhost")


def test_certificate_lives_no_longer_than_browsers_take(tmp_path: Path) -> None:
    certificate, _ = local_certificate(tmp_path, ["localhost"], NOW)
    leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=398)
    assert leaf.not_valid_before_utc < NOW


def test_the_nodes_pair_is_made_once_and_never_over(tmp_path: Path) -> None:
    node_certificate(tmp_path, NOW)
    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert set(made) == {"node.pem", "node.key"}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in tmp_path.iterdir())
    certificate = x509.load_pem_x509_certificate(made["node.pem"])
    assert certificate.not_valid_after_utc.year == 9999
    node_certificate(tmp_path, NOW + 3 * LEAF_LIFE)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == made
