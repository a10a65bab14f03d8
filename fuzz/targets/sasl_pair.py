"""Client and server of each mechanism talk, and somebody between them changes octets.

The first octet chooses the mechanism. Each further three octets change one: number of the
message, place in it, what is added. Nothing changed: both believe each other. In SCRAM something
changed: at most one of them does, unless only the form of the client's proof has changed.
"""

from __future__ import annotations

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.sasl.exchange import Challenge
from mailhaul.protocols.sasl.server_mechanisms import Accepted
from mailhaul.protocols.secret import Secret

from ..finding import promise
from .sasl_client import mechanism
from .sasl_server import CHECKED, counterpart

MOST_MESSAGES = 20
PROOF = 2
"""The number of the message that holds the client's proof."""


class Line:
    """What lies between the two, and changes octets."""

    def __init__(self, changes: bytes) -> None:
        whole = len(changes) // 3 * 3
        self._changes = [changes[place : place + 3] for place in range(0, whole, 3)]
        self._messages = 0
        self.changed = False

    def carry(self, message: bytes) -> bytes:
        """Return a message as it arrives."""
        promise(self._messages < MOST_MESSAGES, "an exchange without end")
        arrives = bytearray(message)
        for number, place, added in self._changes:
            if number == self._messages and message:
                arrives[place % len(message)] = (arrives[place % len(message)] + added) % 256
        proof = self._messages == PROOF and b",p=" in message
        start = message.rfind(b",p=") if proof else len(message)
        self.changed = self.changed or bytes(arrives[:start]) != message[:start]
        self._messages += 1
        return bytes(arrives)


def target(data: bytes) -> None:
    """Go through one exchange."""
    name = CHECKED[(data[0] if data else 0) % len(CHECKED)]
    client, server = mechanism(name), counterpart(name)
    line = Line(data[1:])
    untouched = len(data) < 4
    first = client.initial_response()
    try:
        verdict = server.start(None if first is None else Secret(line.carry(first.reveal())))
        while isinstance(verdict, Challenge):
            answer = client.respond(line.carry(verdict.data))
            verdict = server.respond(Secret(line.carry(answer.reveal())))
        believes = isinstance(verdict, Accepted)
        if believes:
            client.finish()
    except RemoteProtocolError:
        promise(not untouched, "the client refuses an honest server")
        return
    promise(believes or not untouched, "the server refuses an honest client")
    if name.startswith(b"SCRAM"):
        promise(not (believes and line.changed), "a change is not noticed")
