"""The ways to log in at a source, in the order in which they are tried.

Inside TLS a password may be shown to the server, which is one turn; on a line that others can
read along, the mechanisms that show none come first, and those that do only if the user's own
words allow it.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from ...protocols.sasl.choose import choose, make_client
from ...protocols.sasl.client_mechanisms import ClientMechanism
from ...protocols.sasl.credentials import Credentials
from .access import COMMAND

EXTERNAL = b"EXTERNAL"
PLAIN = (b"PLAIN", b"LOGIN")
"""Mechanisms that say no more than that command."""


def allowed_methods(
    announced: Collection[bytes],
    held: Credentials,
    preference: str,
    *,
    protected: bool,
    in_clear: bool,
    command: bool,
) -> list[bytes]:
    """Return names of mechanisms, COMMAND among them.

    ``preference`` is the value of ``auth``. ``protected`` says that the connection is encrypted or
    local, ``in_clear`` that a password may be sent even so, and ``command`` that the server takes
    the protocol's own login command.
    """
    if preference == "external" and not held.certificate:
        # A plugin or a socket may have shown who we are; the server knows whether it has.
        return [EXTERNAL] if EXTERNAL in {name.upper() for name in announced} else []
    mechanisms = choose(
        announced, held, preference=preference, protected=protected, plain_in_clear=in_clear
    )
    if preference not in {"any", "password"}:
        return mechanisms
    usable = command and held.password is not None and (protected or in_clear)
    plain = [COMMAND] * usable + [name for name in mechanisms if name in PLAIN]
    others = [name for name in mechanisms if name not in PLAIN]
    if protected and plain:
        # A refused password would be as wrong in any other form.
        others = [name for name in others if name == EXTERNAL]
    return others + plain[:1]


def other_methods(
    announced: Collection[bytes],
    held: Credentials,
    preference: str,
    tried: Collection[bytes],
    *,
    protected: bool,
    in_clear: bool,
) -> list[bytes]:
    """Return the mechanisms to try after the server did not understand ``allowed_methods``."""
    found = choose(
        announced, held, preference=preference, protected=protected, plain_in_clear=in_clear
    )
    return [name for name in found if name not in tried]


def mechanism_for(
    name: bytes, held: Credentials, announced: Collection[bytes], host: str
) -> ClientMechanism:
    """Return the client's side of a mechanism. Raises LocalProtocolError for what cannot go."""
    nonce = os.urandom(18).hex().encode("ascii")
    return make_client(
        name, held, nonce=nonce, announced=announced, host=host.encode("utf-8", "surrogateescape")
    )
