"""The methods to log in to a source, in the order in which they are tried.

With TLS the password itself may be sent, which takes one round trip. Without TLS the mechanisms
that do not send the password come first, and the others are used only if the user's options
allow it.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from ... import sasl
from .access import COMMAND

EXTERNAL = b"EXTERNAL"
PLAIN = (b"PLAIN", b"LOGIN")
"""Mechanisms that send the password, as COMMAND does."""


def allowed_methods(
    announced: Collection[bytes],
    held: sasl.Credentials,
    preference: str,
    *,
    protected: bool,
    in_clear: bool,
    command: bool,
) -> list[bytes]:
    """Return the names of the mechanisms to try, which may include COMMAND.

    ``preference`` is the value of ``auth``. ``protected`` is true if the connection is encrypted or
    local, ``in_clear`` if a password may be sent without protection, and ``command`` if the server
    accepts the protocol's own login command.
    """
    if preference == "external" and not held.certificate:
        # A plugin or a socket may have authenticated the user; only the server knows.
        return [EXTERNAL] if EXTERNAL in {name.upper() for name in announced} else []
    mechanisms = sasl.choose(
        announced, held, preference=preference, protected=protected, plain_in_clear=in_clear
    )
    if preference == "oauth":
        # A token that one mechanism refuses would be refused by the other too.
        return mechanisms[:1]
    if preference not in {"any", "password"}:
        return mechanisms
    usable = command and held.password is not None and (protected or in_clear)
    plain = [COMMAND] * usable + [name for name in mechanisms if name in PLAIN]
    others = [name for name in mechanisms if name not in PLAIN]
    if protected and plain:
        # A password that is refused would be refused by any other mechanism too.
        others = [name for name in others if name == EXTERNAL]
    return others + plain[:1]


def other_methods(
    announced: Collection[bytes],
    held: sasl.Credentials,
    preference: str,
    tried: Collection[bytes],
    *,
    protected: bool,
    in_clear: bool,
) -> list[bytes]:
    """Return the other mechanisms, to try if the server does not support ``allowed_methods``."""
    found = sasl.choose(
        announced, held, preference=preference, protected=protected, plain_in_clear=in_clear
    )
    return [name for name in found if name not in tried]


def mechanism_for(
    name: bytes, held: sasl.Credentials, announced: Collection[bytes], host: str
) -> sasl.ClientMechanism:
    """Return the client side of a mechanism. Raises LocalProtocolError if it cannot be used."""
    nonce = os.urandom(18).hex().encode("ascii")
    return sasl.make_client(
        name, held, nonce=nonce, announced=announced, host=host.encode("utf-8", "surrogateescape")
    )
