"""Certificates and versions of TLS that older servers have work as before with every Python.

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
from mailhaul.runtimes.tls import VERSIONS, make_context

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

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


def old_server(version: str) -> ssl.SSLContext:
    """Return the context of a server that speaks one old version of TLS."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    server.minimum_version = server.maximum_version = VERSIONS[version]
    return server


def shake_hands(
    client: ssl.SSLContext, served: Path, server: ssl.SSLContext | None = None
) -> str | None:
    """Do a handshake in memory; return the version of TLS. Raises ssl.SSLError."""
    server = server or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
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
    return ours.version()


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


@pytest.mark.parametrize(
    ("minimum", "spoken", "version"),
    [
        ("tls1", "tls1", "TLSv1"),
        ("tls1", "tls1.1", "TLSv1.1"),
        ("tls1.1", "tls1.1", "TLSv1.1"),
        ("tls1", "tls1.2", "TLSv1.2"),
    ],
)
def test_an_old_version_is_spoken_by_a_client_that_allows_it(
    tmp_path: Path, minimum: str, spoken: str, version: str
) -> None:
    trusted, served = write_old_certificates(tmp_path)
    client = make_context(Trust(HOST, ca_file=str(trusted), minimum=minimum))
    assert shake_hands(client, served, old_server(spoken)) == version
    # Even so the server has to show a certificate.
    assert not [one for one in client.get_ciphers() if one["auth"] == "auth-null"]


@pytest.mark.parametrize("minimum", [None, "tls1.2", "tls1.3"])
def test_no_other_client_speaks_it(tmp_path: Path, minimum: str | None) -> None:
    trusted, served = write_old_certificates(tmp_path)
    client = make_context(Trust(HOST, ca_file=str(trusted), minimum=minimum))
    with pytest.raises(ssl.SSLError):
        shake_hands(client, served, old_server("tls1.1"))
