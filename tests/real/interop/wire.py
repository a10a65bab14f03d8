"""A client machine and the socket it speaks over: what a runtime does, in its simplest form."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from mailhaul.flows.channel import Endpoint
from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.sasl.client_mechanisms import ClientMechanism
from mailhaul.protocols.sasl.exchange import Authenticate, Challenge, Respond

PATIENCE = 20.0
"""Seconds after which a server that says nothing has failed the test."""

Said_contra = TypeVar("Said_contra", contravariant=True)
Heard_co = TypeVar("Heard_co", covariant=True)


class Client(Endpoint, Protocol[Said_contra, Heard_co]):
    """What POP3, IMAP and SMTP clients have in common."""

    def send(self, command: Said_contra) -> None: ...
    def next_event(self) -> Heard_co | NeedData: ...
    def tls_started(self) -> None: ...


Command = TypeVar("Command")
Event = TypeVar("Event")
Kind = TypeVar("Kind")


class Wire(Generic[Command, Event]):
    """One connection. Whatever is sent leaves when the next event is waited for."""

    def __init__(self, machine: Client[Command, Event], stream: socket.socket) -> None:
        self.machine = machine
        self.stream = stream
        self._ended = False
        stream.settimeout(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.close()

    def flush(self) -> None:
        """Send what the machine has to say."""
        for piece in self.machine.data_to_send():
            self.stream.sendall(piece)

    def event(self) -> Event:
        """Return the next event, waiting for it."""
        self.flush()
        while isinstance(event := self.machine.next_event(), NeedData):
            self.flush()
            assert not self._ended, "the server has closed, and there is nothing more to come"
            if data := self.stream.recv(65536):
                self.machine.receive_data(data)
            else:
                self._ended = True
                self.machine.receive_eof()
        return event

    def until(self, kind: type[Kind]) -> tuple[list[Event], Kind]:
        """Return the first event of a kind, and before it all that came earlier."""
        earlier: list[Event] = []
        while not isinstance(event := self.event(), kind):
            earlier.append(event)
        return earlier, event

    def expect(self, kind: type[Kind]) -> Kind:
        """Return the next event, which has to be of this kind."""
        event = self.event()
        assert isinstance(event, kind), event
        return event

    def send(self, *commands: Command) -> None:
        """Say commands, one behind the other."""
        for command in commands:
            self.machine.send(command)

    def shake_hands(self, trust: ssl.SSLContext, name: str) -> None:
        """Turn to TLS, once the machine has said TlsReady."""
        self.stream = trust.wrap_socket(self.stream, server_hostname=name)
        self.machine.tls_started()


def joined(events: list[Any], chunk: type[Any]) -> bytes:
    """Return the text in all chunks among the events."""
    return b"".join(event.data for event in events if isinstance(event, chunk))


def tcp(port: int) -> socket.socket:
    """Connect to a loopback port."""
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def unix(path: Path) -> socket.socket:
    """Connect to a UNIX socket."""
    stream = socket.socket(socket.AF_UNIX)
    try:
        stream.connect(str(path))
    except OSError:
        stream.close()
        raise
    return stream


def said(way: str, line: bytes) -> None:
    """Print a line of the dialogue; it is shown when a test fails."""
    print(way, line.decode("ascii", "backslashreplace"))


def authenticate(wire: Wire[Any, Any], mechanism: ClientMechanism, over: type[Kind]) -> Kind:
    """Carry one exchange to its end; return the reply that decides it, an event of kind ``over``.

    Whether the server has proved itself as well, ``mechanism.finish()`` knows.
    """
    wire.send(Authenticate(mechanism.name, mechanism.initial_response()))
    while not isinstance(event := wire.event(), over):
        if isinstance(event, Challenge):
            wire.send(Respond(mechanism.respond(event.data)))
    return event
