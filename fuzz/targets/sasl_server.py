"""Each SASL mechanism of the server, whatever a client says.

The first octet chooses the mechanism, the second whether there is an initial response; responses
follow, divided by RS. A client is let in only if it has said, or has proved to know, the secret.
"""

from __future__ import annotations

from functools import cache

from mailhaul.protocols.sasl.exchange import Challenge
from mailhaul.protocols.sasl.scram import HASHES, ScramKeys, scram_keys
from mailhaul.protocols.sasl.server_mechanisms import (
    Accepted,
    Accounts,
    ServerMechanism,
    make_server,
)
from mailhaul.protocols.secret import Secret

from ..conversation import SECRET
from ..finding import promise
from ..turns import NEXT_TURN
from .sasl_client import BINDING, LIMITS, NAMES

USER = "jöe,=".encode()
CHECKED = tuple(name for name in NAMES if name != b"GSSAPI")


@cache
def keys(mechanism: bytes) -> ScramKeys:
    """Return what a server keeps of the password."""
    return scram_keys(mechanism, Secret(SECRET), b"saltsaltsaltsalt")


ACCOUNTS = Accounts(
    password=lambda name: Secret(SECRET) if name == USER else None,
    scram=lambda name, mechanism: keys(mechanism) if name == USER else None,
    token_owner=lambda token: USER if token.reveal() == SECRET else None,
    certificate=USER,
    may_act_as=lambda user, wanted: wanted in {user, b"a=b"},
    decoy=Secret(b"decoy"),
)
for hashed in HASHES:
    keys(hashed)


def counterpart(name: bytes) -> ServerMechanism:
    """Return the server's side of a mechanism."""
    server = make_server(
        name,
        ACCOUNTS,
        nonce=b"3rfcNHYJY1ZVvWVs7j",
        bindings={BINDING.kind: BINDING.data} if name.endswith(b"-PLUS") else None,
        limits=LIMITS,
    )
    assert server is not None
    return server


def target(data: bytes) -> None:
    """Go through one exchange."""
    name = CHECKED[(data[0] if data else 0) % len(CHECKED)]
    server = counterpart(name)
    said = data[2:].split(NEXT_TURN)
    spoken = bool(data[1:2]) and bool(data[1] & 1)
    verdict = server.start(Secret(said.pop(0)) if spoken else None)
    while isinstance(verdict, Challenge) and said:
        verdict = server.respond(Secret(said.pop(0)))
    if isinstance(verdict, Accepted):
        promise(verdict.authentication_id == USER, "somebody else is let in")
        promise(verdict.authorization_id in {USER, b"a=b"}, "somebody else is acted as")
        promise(name == b"EXTERNAL" or SECRET in data, "let in without the secret")
