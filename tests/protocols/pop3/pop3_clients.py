"""POP3 clients in common initial states, and helpers that return their events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailhaul.protocols.limits import DEFAULT_LIMITS, Limits
from mailhaul.protocols.machine import NeedData, Tap
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import Capa, Command
from mailhaul.protocols.pop3.events import BodyChunk, Event


def events_of(client: Pop3Client) -> Iterator[Event]:
    """Yield all available events."""
    while not isinstance(event := client.next_event(), NeedData):
        yield event


def add(events: list[Event], event: Event) -> None:
    """Add an event; adjacent text chunks are joined."""
    if events and isinstance(event, BodyChunk) and isinstance(events[-1], BodyChunk):
        events[-1] = BodyChunk(events[-1].data + event.data)
    else:
        events.append(event)


def feed(client: Pop3Client, pieces: Iterable[bytes]) -> list[Event]:
    """Feed pieces of input; return the events, with adjacent text chunks joined."""
    events: list[Event] = []
    for piece in pieces:
        client.receive_data(piece)
        for event in events_of(client):
            add(events, event)
    return events


def hear(client: Pop3Client, *lines: bytes) -> list[Event]:
    """Feed lines in one piece; return the events."""
    return feed(client, [b"".join(line + b"\r\n" for line in lines)])


def ask(client: Pop3Client, command: Command, *lines: bytes) -> list[Event]:
    """Send a command and feed these lines; return the events."""
    client.send(command)
    return hear(client, *lines)


def sent(client: Pop3Client) -> bytes:
    """Return the bytes to send."""
    return b"".join(client.data_to_send())


def greeted(
    *capabilities: bytes,
    text: bytes = b"ready",
    limits: Limits = DEFAULT_LIMITS,
    tap: Tap | None = None,
) -> Pop3Client:
    """Return a client before the login that knows these capabilities."""
    client = Pop3Client(limits, tap)
    hear(client, b"+OK " + text)
    if capabilities:
        ask(client, Capa(), b"+OK", *capabilities, b".")
    client.data_to_send()
    return client


def in_transaction(
    *capabilities: bytes, limits: Limits = DEFAULT_LIMITS, tap: Tap | None = None
) -> Pop3Client:
    """Return a client in the transaction state."""
    client = greeted(*capabilities, limits=limits, tap=tap)
    client.assume_authenticated()
    return client
