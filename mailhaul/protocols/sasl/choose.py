"""Choose the mechanisms to try, in order, and create them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..record import Record
from ..secret import Secret
from .client_mechanisms import ClientMechanism, CramMd5, External, Login, Plain
from .credentials import ChannelBinding, Credentials

if TYPE_CHECKING:
    from .gssapi import SecurityContext


class Mechanism(Record):
    """The properties of one mechanism.

    ``available`` returns whether the credentials suffice for the mechanism. ``exposes_secret``
    is true if the server learns the password or token. ``bound`` is true if the mechanism needs
    channel binding.
    """

    name: bytes
    available: Callable[[Credentials], bool]
    exposes_secret: bool = False
    bound: bool = False


def has_password(credentials: Credentials) -> bool:
    """Whether there is a password."""
    return credentials.password is not None


def has_token(credentials: Credentials) -> bool:
    """Whether there is a bearer token."""
    return credentials.token is not None


MECHANISMS: Final = (
    Mechanism(b"EXTERNAL", lambda credentials: credentials.certificate),
    Mechanism(b"GSSAPI", lambda credentials: credentials.ticket),
    Mechanism(b"OAUTHBEARER", has_token, exposes_secret=True),
    Mechanism(b"XOAUTH2", has_token, exposes_secret=True),
    Mechanism(b"SCRAM-SHA-256-PLUS", has_password, bound=True),
    Mechanism(b"SCRAM-SHA-1-PLUS", has_password, bound=True),
    Mechanism(b"SCRAM-SHA-256", has_password),
    Mechanism(b"SCRAM-SHA-1", has_password),
    Mechanism(b"CRAM-MD5", has_password),
    Mechanism(b"PLAIN", has_password, exposes_secret=True),
    Mechanism(b"LOGIN", has_password, exposes_secret=True),
)
"""All supported mechanisms, best first.

Tokens are preferred to passwords, because a token exists only if the user has configured one.
"""

SCRAM_SHA_256: Final = (b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256")
SCRAM_SHA_1: Final = (b"SCRAM-SHA-1-PLUS", b"SCRAM-SHA-1")
PREFERENCES: Final = {
    "any": tuple(mechanism.name for mechanism in MECHANISMS),
    "password": (b"PLAIN", b"LOGIN"),
    "plain": (b"PLAIN",),
    "login": (b"LOGIN",),
    "cram-md5": (b"CRAM-MD5",),
    "scram": (*SCRAM_SHA_256, *SCRAM_SHA_1),
    "scram-sha-256": SCRAM_SHA_256,
    "scram-sha-1": SCRAM_SHA_1,
    "external": (b"EXTERNAL",),
    "gssapi": (b"GSSAPI",),
    "kerberos5": (b"GSSAPI",),
    "oauth": (b"OAUTHBEARER", b"XOAUTH2"),
    "oauthbearer": (b"OAUTHBEARER",),
    "xoauth2": (b"XOAUTH2",),
    "ssh": (),
}
"""The mechanisms that each value of the ``auth`` option allows; ``ssh`` needs no authentication."""


def choose(
    announced: Collection[bytes],
    credentials: Credentials,
    *,
    preference: str = "any",
    protected: bool,
    plain_in_clear: bool = False,
    binding: ChannelBinding | None = None,
) -> list[bytes]:
    """Return the names of the mechanisms to try, in order.

    They are announced by the server, allowed by ``preference`` (a value of the ``auth`` option),
    and possible with the credentials. ``protected`` is true if the connection cannot be
    intercepted (TLS, or a secure pipe). Without it, mechanisms that expose a secret are allowed
    only with ``plain_in_clear``, the user's explicit permission. If ``preference`` allows only
    one mechanism, it is tried even if it is not announced, as in fetchmail. Raises
    LocalProtocolError for an unknown preference.
    """
    if preference not in PREFERENCES:
        raise LocalProtocolError(f"unknown authentication preference: {preference}")
    preferred = PREFERENCES[preference]
    offered = {name.upper() for name in announced} | set(preferred if len(preferred) == 1 else ())
    usable = [
        mechanism
        for mechanism in MECHANISMS
        if mechanism.name in preferred
        and mechanism.name in offered
        and mechanism.available(credentials)
        and (binding is not None or not mechanism.bound)
        and (protected or plain_in_clear or not mechanism.exposes_secret)
    ]
    bound = any(mechanism.bound for mechanism in usable)
    return [mechanism.name for mechanism in usable if not (bound and _is_unbound_scram(mechanism))]


def _is_unbound_scram(mechanism: Mechanism) -> bool:
    """Whether a mechanism is SCRAM without channel binding.

    If the channel can be bound, only bound mechanisms are used (RFC 5802, section 6): otherwise a
    man in the middle could refuse -PLUS and wait for the next attempt.
    """
    return mechanism.name.startswith(b"SCRAM-") and not mechanism.bound


def make_client(
    name: bytes,
    credentials: Credentials,
    *,
    nonce: bytes,
    announced: Collection[bytes] = (),
    binding: ChannelBinding | None = None,
    context: SecurityContext | None = None,
    host: bytes = b"",
    port: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> ClientMechanism:
    """Return the client side of a mechanism that ``choose`` returned.

    ``nonce`` is for SCRAM and must be fresh, random and printable; ``context`` is for GSSAPI.
    Raises LocalProtocolError if the mechanism is unknown, or if something that it needs is missing
    or contains characters that cannot be sent.
    """
    match name:
        case b"EXTERNAL":
            # Like fetchmail, name the user: one certificate may be valid for several mailboxes.
            return External(credentials.act_as or credentials.user, limits)
        case b"GSSAPI":
            return _gssapi(context, credentials, limits)
        case b"OAUTHBEARER":
            from .client_oauth import OAuthBearer

            return OAuthBearer(
                credentials.user, _require(credentials.token, "token"), host, port, limits
            )
        case b"XOAUTH2":
            from .client_oauth import XOAuth2

            return XOAuth2(credentials.user, _require(credentials.token, "token"), limits)
        case b"PLAIN":
            return Plain(
                credentials.user,
                _require(credentials.password, "password"),
                credentials.act_as,
                limits,
            )
        case b"LOGIN":
            return Login(credentials.user, _require(credentials.password, "password"), limits)
        case b"CRAM-MD5":
            return CramMd5(credentials.user, _require(credentials.password, "password"), limits)
        case _:
            return _scram(name, credentials, nonce, announced, binding, limits)


def _gssapi(
    context: SecurityContext | None, credentials: Credentials, limits: Limits
) -> ClientMechanism:
    if context is None:
        raise LocalProtocolError("GSSAPI needs a security context from a Kerberos library")
    from .gssapi import Gssapi

    return Gssapi(context, credentials.act_as, limits)


def _scram(
    name: bytes,
    credentials: Credentials,
    nonce: bytes,
    announced: Collection[bytes],
    binding: ChannelBinding | None,
    limits: Limits,
) -> ClientMechanism:
    """Return a SCRAM client with the correct channel-binding flag (RFC 5802, section 6)."""
    from .client_scram import Scram
    from .scram import HASHES, PLUS

    mechanism = name.removesuffix(PLUS)
    if mechanism not in HASHES:
        raise LocalProtocolError(f"unknown mechanism: {name.decode('ascii', 'replace')}")
    bound = mechanism != name
    if bound and binding is None:
        raise LocalProtocolError("a -PLUS mechanism needs a channel binding")
    seen = any(other.upper().endswith(PLUS) for other in announced)
    return Scram(
        mechanism,
        credentials.user,
        _require(credentials.password, "password"),
        nonce,
        binding if bound else None,
        could_bind=binding is not None and not bound and not seen,
        act_as=credentials.act_as,
        limits=limits,
    )


def _require(secret: Secret | None, what: str) -> Secret:
    if secret is None:
        raise LocalProtocolError(f"this mechanism needs a {what}")
    return secret
