"""SCRAM: the keys and the grammar that client and server share (RFC 5802, 7677).

The client never sends its password, and the server need not store it. Each side proves to the
other that it has a key derived from the password. The proof covers all messages of the exchange
(the *auth message*)::

    SaltedPassword = PBKDF2(password, salt, iterations)
    ClientKey, ServerKey = HMAC(SaltedPassword, "Client Key"), HMAC(SaltedPassword, "Server Key")
    StoredKey = H(ClientKey)
    ClientProof = ClientKey XOR HMAC(StoredKey, auth message)
    ServerSignature = HMAC(ServerKey, auth message)

The server stores salt, iterations, StoredKey and ServerKey.
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import LocalProtocolError
from ..record import Record
from ..secret import Secret
from .saslprep import saslprep

HASHES: Final = {b"SCRAM-SHA-1": "sha1", b"SCRAM-SHA-256": "sha256"}
"""The hash of each mechanism; with channel binding, ``-PLUS`` follows the name."""
PLUS: Final = b"-PLUS"

MIN_ITERATIONS: Final = 4096
"""The minimum iteration count of RFC 5802 (5.1) and 7677 (4).

A lower count is refused: an attacker in place of the server could choose 1, and then guess the
password from our proof offline. The maximum is ``Limits.scram_iterations``.
"""

# RFC 5802, section 7. Extensions at the end are ignored, except ``m=``: a side that does not
# support a mandatory extension must end the exchange.
_EXTENSIONS: Final = rb"(?:,[A-Za-ln-z]=[^,\0]+)*"
_NONCE: Final = rb"[!-+\--~]+"
_BASE64: Final = rb"[A-Za-z0-9+/]+={0,2}"
CLIENT_FIRST: Final = re.compile(
    rb"(?P<header>(?:n|y|p=(?P<kind>[A-Za-z0-9.-]+)),(?:a=(?P<act_as>[^,\0]+))?,)"
    rb"(?P<bare>n=(?P<user>[^,\0]+),r=(?P<nonce>" + _NONCE + rb")" + _EXTENSIONS + rb")"
)
SERVER_FIRST: Final = re.compile(
    rb"r=(?P<nonce>" + _NONCE + rb"),s=(?P<salt>" + _BASE64 + rb"),"
    rb"i=(?P<iterations>[1-9][0-9]{0,19})" + _EXTENSIONS
)
CLIENT_FINAL: Final = re.compile(
    rb"(?P<without_proof>c=(?P<binding>" + _BASE64 + rb"),r=(?P<nonce>" + _NONCE + rb")"
    rb"" + _EXTENSIONS + rb"),p=(?P<proof>" + _BASE64 + rb")"
)
SERVER_FINAL: Final = re.compile(rb"v=(?P<signature>" + _BASE64 + rb")" + _EXTENSIONS)
SERVER_ERROR: Final = re.compile(rb"e=(?P<error>[!-+\--~]{1,80})" + _EXTENSIONS)
_A_NONCE: Final = re.compile(_NONCE)


class ScramKeys(Record):
    """What a server stores for a password (RFC 5802, section 3)."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes
    _hidden = frozenset({"salt", "stored_key", "server_key"})


def scram_keys(
    mechanism: bytes, password: Secret, salt: bytes, iterations: int = MIN_ITERATIONS
) -> ScramKeys:
    """Return what a server stores for a password, for one mechanism without -PLUS."""
    name = HASHES[mechanism]
    salted = salted_password(name, password.reveal(), salt, iterations)
    stored = digest(name, client_key(name, salted))
    return ScramKeys(salt, iterations, stored, server_key(name, salted))


def salted_password(name: str, password: bytes, salt: bytes, iterations: int) -> bytes:
    """Return ``Hi(Normalize(password), salt, i)``. This is slow by design."""
    from hashlib import pbkdf2_hmac

    return pbkdf2_hmac(name, saslprep(password), salt, iterations)


def client_key(name: str, salted: bytes) -> bytes:
    """Return ClientKey, which the client proves to have."""
    return hmac_of(name, salted, b"Client Key")


def server_key(name: str, salted: bytes) -> bytes:
    """Return ServerKey, which the server proves to have."""
    return hmac_of(name, salted, b"Server Key")


def digest(name: str, data: bytes) -> bytes:
    """Return ``H(data)``."""
    from hashlib import new

    return new(name, data).digest()


def hmac_of(name: str, key: bytes, data: bytes) -> bytes:
    """Return ``HMAC(key, data)``."""
    from hmac import digest as hmac_digest

    return hmac_digest(key, data, name)


def xor(left: bytes, right: bytes) -> bytes:
    """Return ``left XOR right``. Raises ValueError if the lengths differ."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def check_nonce(nonce: bytes) -> bytes:
    """Return our own nonce. Raises LocalProtocolError if it violates the grammar."""
    if not _A_NONCE.fullmatch(nonce):
        raise LocalProtocolError("a nonce must be printable ASCII without spaces and commas")
    return nonce


def quote_name(name: bytes) -> bytes:
    """Return a name as a ``saslname`` (RFC 5801, section 4)."""
    return name.replace(b"=", b"=3D").replace(b",", b"=2C")


def unquote_name(quoted: bytes) -> bytes:
    """Return the name in a ``saslname``. Raises ValueError if it is not a valid one."""
    first, *others = quoted.split(b"=")
    name = bytearray(first)
    for part in others:
        if part[:2] not in {b"2C", b"3D"}:
            raise ValueError("not a saslname")
        name += (b"," if part[:2] == b"2C" else b"=") + part[2:]
    return bytes(name)
