"""Which mechanisms to try, in which order, and how to make one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..record import Record
from ..secret import Secret
from .client_mechanisms import ClientMechanism, CramMd5, External, Login, Plain
from .credentials import ChannelBinding, Credentials
from .gssapi import Gssapi, SecurityContext


class Row(Record):
    """What one mechanism needs, and whether the server learns a secret by it.

    ``held`` tells from the credentials whether there is what it needs.
    """

    name: bytes
    held: Callable[[Credentials], bool]
    exposes_secret: bool = False
    bound: bool = False


def has_password(held: Credentials) -> bool:
    """Whether there is a password."""
    return held.password is not None


def has_token(held: Credentials) -> bool:
    """Whether there is a bearer token."""
    return held.token is not None


MECHANISMS: Final = (
    Row(b"EXTERNAL", lambda held: held.certificate),
    Row(b"GSSAPI", lambda held: held.ticket),
    Row(b"OAUTHBEARER", has_token, exposes_secret=True),
    Row(b"XOAUTH2", has_token, exposes_secret=True),
    Row(b"SCRAM-SHA-256-PLUS", has_password, bound=True),
    Row(b"SCRAM-SHA-1-PLUS", has_password, bound=True),
    Row(b"SCRAM-SHA-256", has_password),
    Row(b"SCRAM-SHA-1", has_password),
    Row(b"CRAM-MD5", has_password),
    Row(b"PLAIN", has_password, exposes_secret=True),
    Row(b"LOGIN", has_password, exposes_secret=True),
)
"""All that we speak, the best first. A token is there because somebody took pains to get it."""

SCRAM_SHA_256: Final = (b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256")
SCRAM_SHA_1: Final = (b"SCRAM-SHA-1-PLUS", b"SCRAM-SHA-1")
WISHES: Final = {
    "any": tuple(row.name for row in MECHANISMS),
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
    "oauthbearer": (b"OAUTHBEARER",),
    "xoauth2": (b"XOAUTH2",),
    "ssh": (),
}
"""What the words of the ``auth`` option allow. With ``ssh`` there is nothing to prove."""


def choose(
    announced: Collection[bytes],
    held: Credentials,
    *,
    preference: str = "any",
    protected: bool,
    plain_in_clear: bool = False,
    binding: ChannelBinding | None = None,
) -> list[bytes]:
    """Return the mechanisms to try, in order: announced, wished, and with credentials at hand.

    ``protected`` says that nobody reads along (TLS, or a pipe that is secure by itself); without
    it, mechanisms that expose a secret need ``plain_in_clear``: the user's own word that it is
    fine. A wish that means one mechanism alone is tried even where it is not announced, as
    fetchmail does. Raises LocalProtocolError for a wish that is none of ours.
    """
    if preference not in WISHES:
        raise LocalProtocolError(f"no mechanism is called {preference}")
    wished = WISHES[preference]
    offered = {name.upper() for name in announced} | set(wished if len(wished) == 1 else ())
    usable = [
        row
        for row in MECHANISMS
        if row.name in wished
        and row.name in offered
        and row.held(held)
        and (binding is not None or not row.bound)
        and (protected or plain_in_clear or not row.exposes_secret)
    ]
    bound = any(row.bound for row in usable)
    return [row.name for row in usable if not (bound and _unbound_scram(row))]


def _unbound_scram(row: Row) -> bool:
    """Whether a row is SCRAM without channel binding.

    Where the channel can be bound it has to be (RFC 5802, section 6): who sits in between would
    just refuse -PLUS and wait for the next try.
    """
    return row.name.startswith(b"SCRAM-") and not row.bound


def make_client(
    name: bytes,
    held: Credentials,
    *,
    nonce: bytes,
    announced: Collection[bytes] = (),
    binding: ChannelBinding | None = None,
    context: SecurityContext | None = None,
    host: bytes = b"",
    port: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> ClientMechanism:
    """Return the client's side of a mechanism that ``choose`` named.

    ``nonce`` is fresh, random and printable, for SCRAM; ``context`` is for GSSAPI. Raises
    LocalProtocolError if something is missing, or holds what cannot be sent.
    """
    match name:
        case b"EXTERNAL":
            # fetchmail names the user here too: one certificate may open several mailboxes.
            return External(held.act_as or held.user, limits)
        case b"GSSAPI":
            return _gssapi(context, held, limits)
        case b"OAUTHBEARER":
            from .client_oauth import OAuthBearer

            return OAuthBearer(held.user, _there(held.token, "token"), host, port, limits)
        case b"XOAUTH2":
            from .client_oauth import XOAuth2

            return XOAuth2(held.user, _there(held.token, "token"), limits)
        case b"PLAIN":
            return Plain(held.user, _there(held.password, "password"), held.act_as, limits)
        case b"LOGIN":
            return Login(held.user, _there(held.password, "password"), limits)
        case b"CRAM-MD5":
            return CramMd5(held.user, _there(held.password, "password"), limits)
        case _:
            return _scram(name, held, nonce, announced, binding, limits)


def _gssapi(context: SecurityContext | None, held: Credentials, limits: Limits) -> ClientMechanism:
    if context is None:
        raise LocalProtocolError("GSSAPI needs a security context, which a Kerberos library makes")
    return Gssapi(context, held.act_as, limits)


def _scram(
    name: bytes,
    held: Credentials,
    nonce: bytes,
    announced: Collection[bytes],
    binding: ChannelBinding | None,
    limits: Limits,
) -> ClientMechanism:
    """Return SCRAM with the right word on channel binding (RFC 5802, section 6)."""
    from .client_scram import Scram
    from .scram import HASHES, PLUS

    mechanism = name.removesuffix(PLUS)
    if mechanism not in HASHES:
        raise LocalProtocolError("no mechanism of this name is known")
    bound = mechanism != name
    if bound and binding is None:
        raise LocalProtocolError("a -PLUS mechanism needs a channel binding")
    seen = any(other.upper().endswith(PLUS) for other in announced)
    return Scram(
        mechanism,
        held.user,
        _there(held.password, "password"),
        nonce,
        binding if bound else None,
        could_bind=binding is not None and not bound and not seen,
        act_as=held.act_as,
        limits=limits,
    )


def _there(secret: Secret | None, what: str) -> Secret:
    if secret is None:
        raise LocalProtocolError(f"this mechanism needs a {what}")
    return secret
