"""Signed assertions: a JWT in place of a secret or of a consent (RFC 7523; RFC 7519; RFC 7515).

The signature is made elsewhere: by ``sign``, a callable that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..record import Record
from ..secret import Secret
from .encoding import base64url, compact_json

LIFETIME: Final = 600
"""Seconds that an assertion is valid. It is used at once; the rest is for clocks that are wrong."""
EARLIER: Final = 60
"""Seconds by which our clock may be fast."""


class Signer(Record):
    """A private key. ``sign`` returns the signature of some octets by ``algorithm`` (RFC 7518).

    ``header`` are further fields of the header that name the key (``kid``, ``x5t#S256``).
    """

    algorithm: str
    sign: Callable[[bytes], bytes]
    header: tuple[tuple[str, str], ...] = ()
    _hidden = frozenset({"sign"})


def client_assertion(
    signer: Signer, client_id: str, audience: str, now: int, random: bytes
) -> Secret:
    """Return an assertion that proves the identity of a client (RFC 7523, section 3).

    ``now`` is in seconds since 1970; ``random`` makes the assertion unique.
    """
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": base64url(random),
        "iat": now - EARLIER,
        "nbf": now - EARLIER,
        "exp": now + LIFETIME,
    }
    return signed(signer, claims)


def account_assertion(
    signer: Signer, account: str, user: str, scope: tuple[str, ...], audience: str, now: int
) -> Secret:
    """Return an assertion by which a service account acts for a user, or for itself ("").

    ``account`` is its address. Google: "Using OAuth 2.0 for Server to Server Applications".
    """
    claims: dict[str, object] = {
        "iss": account,
        "scope": " ".join(scope),
        "aud": audience,
        "iat": now - EARLIER,
        "exp": now - EARLIER + 3600,
    }
    return signed(signer, claims | ({"sub": user} if user else {}))


def signed(signer: Signer, claims: Mapping[str, object]) -> Secret:
    """Return a JWT in its compact form (RFC 7515, 7.1)."""
    header = {"alg": signer.algorithm, "typ": "JWT", **dict(signer.header)}
    parts = f"{base64url(compact_json(header))}.{base64url(compact_json(claims))}".encode("ascii")
    return Secret(parts + b"." + base64url(signer.sign(parts)).encode("ascii"))
