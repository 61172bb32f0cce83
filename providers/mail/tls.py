"""The TLS side of the SMTP server: the certificate that was configured, or a self-signed one made in the home."""

import ipaddress
import os
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID_FOR = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=60)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def ensure_self_signed(home: Path, host: str, now: datetime) -> tuple[Path, Path]:
    """The files of a self-signed certificate for ``host``, made when there is none, or it names another, or ends soon."""
    certificate, key = home / "smtp-cert.pem", home / "smtp-key.pem"
    if not _still_good(certificate, key, host, now):
        private = ec.generate_private_key(ec.SECP256R1())
        _write(key, _key_pem(private))
        _write(certificate, _certificate(private, host, now).public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _still_good(certificate: Path, key: Path, host: str, now: datetime) -> bool:
    if not (certificate.exists() and key.exists()):
        return False
    try:
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except ValueError:  # a crash between the two writes, or somebody's edit
        return False
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    same_key = private.public_key() == loaded.public_key()
    return same_key and _name(host) in names and loaded.not_valid_after_utc - now > _RENEW_BEFORE


def _certificate(private: ec.EllipticCurvePrivateKey, host: str, now: datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    names = list(dict.fromkeys([_name(host), _name("localhost"), _name("127.0.0.1"), _name("::1")]))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    """Replace the file whole, readable by its owner alone from its first byte on."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
