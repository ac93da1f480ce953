"""A local certificate authority, made once, and the certificate it signs for this server's name.

Browsers give a page the camera only over HTTPS. In a network without a public name the server signs for
itself; each device is asked once to trust the authority.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sfu.rpc.node_tls import CERTIFICATE, KEY

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=397)
"""Browsers take no longer life."""
RENEW_BEFORE = timedelta(days=60)
NO_END = datetime(9999, 12, 31, tzinfo=UTC)
"""As late as a certificate can say."""
CLOCK_SKEW = timedelta(days=1)
"""Certificates begin this much earlier, for devices whose clock is late."""


def local_certificate(keys: Path, names: Sequence[str], now: datetime) -> tuple[Path, Path]:
    """PEM files (certificate with its authority, key) for these names and IP addresses.

    The authority (``ca.pem``, ``ca.key``) is made when it is missing or near its end; the certificate is
    made anew when the authority or the names changed or less than RENEW_BEFORE is left. Files are 0600 and
    replaced whole. Raises OSError when the folder cannot be written.
    """
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority, authority_key = _authority(keys, now)
    certificate_file, key_file = keys / "server.pem", keys / "server.key"
    wanted = _subject_names(names)
    if not _still_good(certificate_file, key_file, authority, wanted, now):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        certificate = (
            _builder(subject, authority.subject, key.public_key(), now, LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(wanted), critical=False)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        _write(key_file, _pem(key))
        _write(certificate_file, _pem(certificate) + _pem(authority))
    return certificate_file, key_file


def node_certificate(keys: Path, now: datetime) -> None:
    """The key pair of all nodes (``node.pem``, ``node.key``), made when it is missing; raises OSError.

    It is recognised whole and by no name, so it is over when its files are replaced, and never by itself.
    """
    certificate_file, key_file = keys / CERTIFICATE, keys / KEY
    if certificate_file.exists() and key_file.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Zvonok node")])
    certificate = (
        _builder(name, name, key.public_key(), now, NO_END - now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _pem(key))
    _write(certificate_file, _pem(certificate))


def _authority(keys: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = keys / "ca.pem", keys / "ca.key"
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if (
            isinstance(key, ec.EllipticCurvePrivateKey)
            and key.public_key() == certificate.public_key()
            and certificate.not_valid_after_utc - now > LEAF_LIFE
        ):
            return certificate, key
    except (FileNotFoundError, ValueError):
        pass
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Zvonok"),
            # The year tells two authorities of one school apart in a device's list.
            x509.NameAttribute(NameOID.COMMON_NAME, f"Zvonok local authority {now:%Y-%m-%d}"),
        ]
    )
    certificate = (
        _builder(subject, subject, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _pem(key))
    _write(certificate_file, _pem(certificate))
    return certificate, key


def _still_good(
    certificate_file: Path,
    key_file: Path,
    authority: x509.Certificate,
    wanted: Sequence[x509.GeneralName],
    now: datetime,
) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        certificate.verify_directly_issued_by(authority)
    except (FileNotFoundError, ValueError, TypeError, InvalidSignature):
        return False
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        key.public_key() == certificate.public_key()
        and list(names) == list(wanted)
        and certificate.not_valid_after_utc - now > RENEW_BEFORE
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    start = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - CLOCK_SKEW)
        .not_valid_after(start + life - CLOCK_SKEW)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, digital_signature: bool = False, signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _subject_names(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            general: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            general = x509.DNSName(name)
        if general not in found:
            found.append(general)
    return found


def _pem(thing: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM)
    return thing.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, data: bytes) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(data)
    draft.replace(file)
