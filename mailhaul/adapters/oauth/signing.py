"""Private keys that sign assertions, with the package cryptography (``mailhaul[oauth]``).

A service account of Google is a JSON file with a key. An application at Microsoft proves itself by
a certificate: a PEM file with the certificate and its key.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, cast

from ...protocols.errors import LocalProtocolError
from ...protocols.http import parse_url
from ...protocols.oauth.assertions import Signer
from ...protocols.oauth.encoding import base64url
from ...protocols.record import Record
from ..files import SMALL, read_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

MISSING = "a key file for OAuth needs the package cryptography: install mailhaul[oauth]"


class BadKey(Exception):
    """A key cannot be used. ``str()`` says why, for the user, without anything of the file."""


class ServiceAccount(Record):
    """A service account: its address, where it asks for tokens ("" if not said), and its key."""

    email: str
    token_uri: str
    signer: Signer


def load_service_account(path: str) -> ServiceAccount:
    """Read the JSON file of a service account. Raises BadKey."""
    try:
        found: Any = json.loads(read_key_file(path))
    except (ValueError, RecursionError):
        raise BadKey(f"{path}: not the JSON file of a service account") from None
    if not isinstance(found, dict):
        raise BadKey(f"{path}: not the JSON file of a service account")
    fields = cast("dict[str, object]", found)
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    email, key = texts.get("client_email", ""), texts.get("private_key", "")
    if not email or not key:
        raise BadKey(f'{path}: it has no "client_email" and "private_key" of a service account')
    token_uri = texts.get("token_uri", "")
    try:
        if token_uri:
            parse_url(token_uri)
    except LocalProtocolError as error:
        raise BadKey(f'{path}: "token_uri": {error}') from None
    header = (("kid", texts["private_key_id"]),) if texts.get("private_key_id") else ()
    return ServiceAccount(email, token_uri, rs256(path, key.encode("utf-8"), header))


def load_certificate(path: str) -> Signer:
    """Read a PEM file with a certificate and its private key. Raises BadKey.

    Microsoft wants PS256 and the SHA-256 thumbprint of the certificate in the header.
    """
    data = read_key_file(path)
    key = private_key(path, data)
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        certificate = x509.load_pem_x509_certificate(data)
    except ValueError:
        raise BadKey(f"{path}: it has no certificate in PEM") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise BadKey(f"{path}: the certificate does not belong to the key")
    thumbprint = base64url(certificate.fingerprint(SHA256()))

    def sign(octets: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS

        return key.sign(octets, PSS(MGF1(SHA256()), PSS.DIGEST_LENGTH), SHA256())

    return Signer("PS256", sign, (("x5t#S256", thumbprint),))


def rs256(path: str, pem: bytes, header: tuple[tuple[str, str], ...]) -> Signer:
    """Return the signer of an RSA key (RFC 7518, 3.3). Raises BadKey."""
    key = private_key(path, pem)

    def sign(octets: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return key.sign(octets, PKCS1v15(), SHA256())

    return Signer("RS256", sign, header)


def private_key(path: str, pem: bytes) -> RSAPrivateKey:
    """Return the RSA key in a PEM text. Raises BadKey."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ModuleNotFoundError:
        raise BadKey(MISSING) from None
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise BadKey(f"{path}: the private key has a passphrase; remove it from the key") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey(f"{path}: it has no private key in PEM") from None
    if not isinstance(key, RSAPrivateKey):
        raise BadKey(f"{path}: the private key is not an RSA key")
    return key


def read_key_file(path: str) -> bytes:
    """Return the content of a file, or of the systemd credential of the same name.

    Raises BadKey.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder and os.path.exists(os.path.join(folder, os.path.basename(path))):
        path = os.path.join(folder, os.path.basename(path))
    try:
        return read_file(path, SMALL)
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror or error}") from None
