"""IMAP sessions with the private Dovecot, as far as most tests need them."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from mailhaul.protocols.imap.commands import Append, AppendChunk, Login, Select
from mailhaul.protocols.imap.events import Completed, Fetched, Greeted, ReadyForText
from mailhaul.protocols.secret import Secret

from ..servers.dovecot_services import DovecotServices
from .clients import ImapWire
from .wire import tcp


@contextmanager
def logged_in(server: DovecotServices, user: str) -> Generator[ImapWire, None, None]:
    """Connect and log in by LOGIN."""
    with ImapWire(tcp(server.imap_port)) as wire:
        wire.until(Greeted)
        wire.told(Login(user.encode(), Secret(server.password.encode())))
        yield wire


@contextmanager
def in_inbox(server: DovecotServices, *messages: bytes) -> Generator[ImapWire, None, None]:
    """Log in as a new user whose inbox holds these messages, and open it."""
    user = server.new_user()
    for message in messages:
        server.deliver(user, message)
    with logged_in(server, user) as wire:
        wire.told(Select(b"INBOX"))
        yield wire


def append(wire: ImapWire, command: Append, pieces: Iterable[bytes]) -> Completed:
    """Store a message piece by piece; return the tagged reply."""
    wire.send(command)
    wire.until(ReadyForText)
    for piece in pieces:
        wire.send(AppendChunk(piece))
        wire.flush()
    return wire.answer()[1]


def fetched(events: Iterable[object]) -> list[Fetched]:
    """Return the FETCH responses among the events."""
    return [event for event in events if isinstance(event, Fetched)]
