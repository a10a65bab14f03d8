"""Certificates that older servers have are trusted as before by every Python.

Python 3.13 asks for strict X.509 rules (RFC 5280) in ``ssl.create_default_context``: a certificate
has to name the key of its issuer, and a CA certificate must have its extensions marked as critical.
Home-made authorities of mail servers often have neither.
"""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailhaul.flows.requests import Trust
from mailhaul.runtimes.tls import make_context

HOST = "mail.example.org"
BEGIN = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def write_old_certificates(folder: Path) -> tuple[Path, Path]:
    """Write an authority without key identifiers, and a server's certificate and key."""
    issuer, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    blank = x509.CertificateBuilder().not_valid_before(BEGIN).not_valid_after(END)
    authority = (
        blank.subject_name(name("An old authority"))
        .issuer_name(name("An old authority"))
        .serial_number(1)
        .public_key(issuer.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=False)
        .sign(issuer, hashes.SHA256())
    )
    server = (
        blank.subject_name(name(HOST))
        .issuer_name(name("An old authority"))
        .serial_number(2)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(issuer, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    trusted, served = folder / "ca.pem", folder / "server.pem"
    trusted.write_bytes(authority.public_bytes(encoding))
    served.write_bytes(
        server.public_bytes(encoding)
        + key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return trusted, served


def shake_hands(client: ssl.SSLContext, served: Path) -> None:
    """Do a handshake in memory. Raises ssl.SSLError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(served)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=HOST)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    unfinished = [ours, theirs]
    while unfinished:
        for side in list(unfinished):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            unfinished.remove(side)


def test_a_home_made_authority_is_trusted_without_strict_rules(tmp_path: Path) -> None:
    trusted, served = write_old_certificates(tmp_path)
    context = make_context(Trust(HOST, ca_file=str(trusted)))
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    shake_hands(context, served)


def test_the_strict_rules_refuse_it(tmp_path: Path) -> None:
    trusted, served = write_old_certificates(tmp_path)
    context = make_context(Trust(HOST, ca_file=str(trusted)))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, served)
