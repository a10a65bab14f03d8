"""Two machines talk in memory, and somebody between them changes octets.

An input is what the client says, in letters; US; how the server answers, in letters; US; and the
changes, four octets each: direction, place in what goes that way (two octets), what is added.
Whatever is changed, each side sees events or a RemoteProtocolError. Nothing changed: no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mailhaul.protocols.errors import LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.machine import NEED_DATA

from .finding import promise
from .turns import HEAR

MOST_ROUNDS = 60
"""Times that each side may speak until both are silent."""
TO_SERVER, TO_CLIENT = 0, 1


@dataclass(frozen=True)
class Pairing:
    """Two machines, what letters mean to them, and how the server's user answers."""

    client: Callable[[], Any]
    server: Callable[[], Any]
    said: Mapping[int, Callable[[Any], object]]
    answered: Mapping[int, Callable[[Any], object]]
    answer: Callable[[Any, Any], object]


class Line:
    """Carries octets one way, and changes some of them."""

    def __init__(self, changes: bytes, direction: int) -> None:
        self._added = {
            int.from_bytes(changes[start + 1 : start + 3], "big"): changes[start + 3]
            for start in range(0, len(changes) // 4 * 4, 4)
            if changes[start] % 2 == direction
        }
        self._carried = 0

    def carry(self, data: bytes) -> bytes:
        """Return what arrives of some octets."""
        arrives = bytearray(data)
        for place, added in self._added.items():
            inside = place - self._carried
            if 0 <= inside < len(data):
                arrives[inside] = (arrives[inside] + added) % 256
        self._carried += len(data)
        return bytes(arrives)


class Pair:
    """The two, and the lines between them."""

    def __init__(self, pairing: Pairing, changes: bytes) -> None:
        self._pairing = pairing
        self._client, self._server = pairing.client(), pairing.server()
        self._lines = Line(changes, TO_SERVER), Line(changes, TO_CLIENT)
        self._honest = not changes

    def talk(self, said: bytes, answered: bytes) -> None:
        """Let the client say all its letters, and hear it out each time."""
        for letter in answered:
            if letter in self._pairing.answered:
                self._pairing.answered[letter](self._server)
        try:
            self._exchange()
            for letter in said:
                if letter in self._pairing.said:
                    self._say(letter)
                    self._exchange()
        except RemoteProtocolError as fault:
            promise(not self._honest, f"a fault between honest machines ({type(fault).__name__})")
        self._part()

    def _part(self) -> None:
        """Close the line. Whoever is owed something says that it is lost."""
        for machine, listen in ((self._client, self._hear), (self._server, self._serve)):
            machine.receive_eof()
            with suppress(RemoteProtocolError):
                listen()

    def _say(self, letter: int) -> None:
        try:
            self._pairing.said[letter](self._client)
        except LocalProtocolError:
            return

    def _exchange(self) -> None:
        """Carry octets both ways until both are silent; then shake hands if both wait for it."""
        for _ in range(MOST_ROUNDS):
            to_server = b"".join(self._client.data_to_send())
            self._server.receive_data(self._lines[TO_SERVER].carry(to_server))
            self._serve()
            to_client = b"".join(self._server.data_to_send())
            self._client.receive_data(self._lines[TO_CLIENT].carry(to_client))
            self._hear()
            if not (to_server or to_client or self._client.unsent):
                break
            if self._client.state == self._server.state == "tls-handover":
                self._client.tls_started()
                self._server.tls_started()
        else:
            promise(False, "they never fall silent")

    def _serve(self) -> None:
        while (heard := self._server.next_event()) is not NEED_DATA:
            self._pairing.answer(self._server, heard)

    def _hear(self) -> None:
        while self._client.next_event() is not NEED_DATA:
            pass


def talk(pairing: Pairing, data: bytes) -> None:
    """Hold the conversation that the fuzzer's bytes make."""
    said, _, rest = data.partition(HEAR)
    answered, _, changes = rest.partition(HEAR)
    Pair(pairing, changes).talk(said, answered)
