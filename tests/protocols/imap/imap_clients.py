"""IMAP clients in common initial states, and helpers that return their events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.commands import Enable, Select
from mailhaul.protocols.imap.events import BodyChunk, Completed, Event
from mailhaul.protocols.limits import DEFAULT_LIMITS, Limits
from mailhaul.protocols.machine import NeedData, Tap


def events_of(client: ImapClient) -> Iterator[Event]:
    """Yield all available events."""
    while not isinstance(event := client.next_event(), NeedData):
        yield event


def feed(client: ImapClient, pieces: Iterable[bytes]) -> list[Event]:
    """Feed pieces of input; return the events, with adjacent text chunks joined."""
    events: list[Event] = []
    for piece in pieces:
        client.receive_data(piece)
        for event in events_of(client):
            if events and isinstance(event, BodyChunk) and isinstance(events[-1], BodyChunk):
                events[-1] = BodyChunk(events[-1].data + event.data)
            else:
                events.append(event)
    return events


def hear(client: ImapClient, *lines: bytes) -> list[Event]:
    """Feed lines; return the events."""
    return feed(client, [line + b"\r\n" for line in lines])


def sent(client: ImapClient) -> bytes:
    """Return the bytes to send."""
    return b"".join(client.data_to_send())


def greeted(
    capabilities: bytes = b"IMAP4REV1", limits: Limits = DEFAULT_LIMITS, tap: Tap | None = None
) -> ImapClient:
    """Return a client that is connected."""
    client = ImapClient(limits, tap)
    hear(client, b"* OK [CAPABILITY %b] ready" % capabilities)
    return client


def authenticated(
    capabilities: bytes = b"IMAP4REV1", limits: Limits = DEFAULT_LIMITS, tap: Tap | None = None
) -> ImapClient:
    """Return a client that is logged in."""
    client = ImapClient(limits, tap)
    hear(client, b"* PREAUTH [CAPABILITY %b] ready" % capabilities)
    return client


def selected(capabilities: bytes = b"IMAP4REV1") -> ImapClient:
    """Return a client with an open mailbox; its next tag is A0002."""
    client = authenticated(capabilities)
    client.send(Select(b"INBOX"))
    hear(client, b"A0001 OK done")
    client.data_to_send()
    return client


def with_utf8() -> ImapClient:
    """Return a client that has enabled UTF-8; its next tag is A0002."""
    client = authenticated(b"IMAP4REV1 ENABLE UTF8=ACCEPT")
    client.send(Enable((b"UTF8=ACCEPT",)))
    *_, over = hear(client, b"* ENABLED UTF8=ACCEPT", b"A0001 OK done")
    assert isinstance(over, Completed)
    client.data_to_send()
    return client
