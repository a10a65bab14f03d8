"""Each SASL mechanism of the client, whatever a server asks.

The first octet chooses the mechanism; challenges follow, divided by RS. What stands behind a last
US is said along with the success. The server of SCRAM knows no password here, so it never gets a
client to believe it.
"""

from __future__ import annotations

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.sasl.choose import make_client
from mailhaul.protocols.sasl.client_mechanisms import ClientMechanism, max_message_size
from mailhaul.protocols.sasl.credentials import ChannelBinding, Credentials
from mailhaul.protocols.sasl.gssapi import ContextFailed
from mailhaul.protocols.secret import Secret

from ..conversation import HIDDEN, SECRET
from ..finding import promise
from ..turns import HEAR, NEXT_TURN

LIMITS = Limits(sasl=1200, sasl_rounds=4, scram_iterations=5000)
BINDING = ChannelBinding(b"tls-exporter", b"\x01" * 32)
NAMES = (
    *(b"SCRAM-SHA-256", b"SCRAM-SHA-1", b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-1-PLUS"),
    *(b"GSSAPI", b"OAUTHBEARER", b"XOAUTH2", b"CRAM-MD5", b"PLAIN", b"LOGIN", b"EXTERNAL"),
)
CREDENTIALS = Credentials("jöe,=".encode(), Secret(SECRET), Secret(SECRET), act_as=b"a=b")


class Context:
    """A Kerberos library that takes whatever begins with ``k``."""

    complete = False

    def step(self, token: bytes | None) -> bytes | None:
        """Take a token."""
        if token is not None and not token.startswith(b"k"):
            raise ContextFailed("not our token")
        self.complete = token is not None
        return b"token"

    def unwrap(self, message: bytes) -> bytes:
        """Return what was signed."""
        if not message.startswith(b"k"):
            raise ContextFailed("not signed")
        return message[1:]

    def wrap(self, message: bytes) -> bytes:
        """Sign."""
        return b"k" + message


def mechanism(name: bytes) -> ClientMechanism:
    """Return a mechanism."""
    return make_client(
        name,
        CREDENTIALS,
        nonce=b"fyko+d2lbbFgONRv9qkxdawL",
        binding=BINDING if name.endswith(b"-PLUS") else None,
        context=Context(),
        host=b"mail.example",
        port=993,
        limits=LIMITS,
    )


def target(data: bytes) -> None:
    """Go through one exchange."""
    client = mechanism(NAMES[data[0] % len(NAMES) if data else 0])
    asked, said, success = data[1:].partition(HEAR)
    rounds = 0
    try:
        client.initial_response()
        for challenge in asked.split(NEXT_TURN):
            response = client.respond(challenge)
            rounds += 1
            promise(
                len(response.reveal()) <= max_message_size(LIMITS), "a response beyond the limit"
            )
        client.finish(success if said else None)
    except RemoteProtocolError as fault:
        shown = str(fault).encode() + fault.line
        promise(not any(secret in shown for secret in HIDDEN), "a secret is shown")
        return
    promise(rounds <= LIMITS.sasl_rounds, "more rounds than the limit")
    promise(not client.name.startswith(b"SCRAM"), "a server without the password is believed")
