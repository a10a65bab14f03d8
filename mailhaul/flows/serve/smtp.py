"""An SMTP or LMTP server that puts messages in memory, or only counts and hashes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from ...protocols.smtp.commands import (
    BodyChunk,
    Data,
    Ehlo,
    EndOfData,
    Heard,
    Helo,
    Mail,
    Quit,
    Rcpt,
    StartTls,
)
from ...protocols.smtp.events import Closed, Reply
from ...protocols.smtp.server import SmtpServer
from ..channel import Channel, next_event
from ..requests import Close

PATIENCE = 300.0
"""Seconds without a command after which the connection is closed (RFC 5321, 4.5.3.2.7)."""


@dataclass(slots=True)
class Received:
    """One message that was accepted. ``text`` is empty where only its hash is kept."""

    sender: bytes
    recipients: tuple[bytes, ...]
    size: int
    sha256: str
    text: bytes = field(repr=False)


Policy = Callable[[Heard], Reply | None]
"""Looks at a command and returns a reply of its own, or None for the usual one."""

USUAL: dict[type, Reply] = {
    Mail: Reply(250, (b"2.1.0 sender ok",)),
    Rcpt: Reply(250, (b"2.1.5 recipient ok",)),
    Data: Reply(354, (b"go ahead",)),
    EndOfData: Reply(250, (b"2.0.0 accepted",)),
    Quit: Reply(221, (b"2.0.0 bye",)),
    StartTls: Reply(502, (b"5.5.1 no TLS here",)),
}


@dataclass(slots=True)
class MemorySink:
    """What a server received. ``policy`` may answer any command in its place.

    With ``keep_text`` off, a message of any size takes no memory.
    """

    policy: Policy | None = None
    keep_text: bool = True
    messages: list[Received] = field(default_factory=list[Received])


class SmtpService:
    """One session."""

    def __init__(self, channel: Channel[SmtpServer], sink: MemorySink) -> None:
        self._channel = channel
        self._sink = sink
        self._sender = b""
        self._recipients: list[bytes] = []
        self._begin_text()

    def _begin_text(self) -> None:
        self._size = 0
        self._hash = sha256()
        self._chunks: list[bytes] = []

    async def run(self) -> None:
        """Greet, then answer command after command until the client leaves."""
        machine = self._channel.machine
        machine.send(Reply(220, (b"mail.example.org ready",)))
        while not isinstance(heard := await next_event(self._channel, PATIENCE), Closed):
            if isinstance(heard, BodyChunk):
                self._take(heard.data)
                continue
            reply = self._reply(heard)
            for _ in range(len(machine.outstanding) if isinstance(heard, EndOfData) else 1):
                machine.send(reply)
            if isinstance(heard, Quit) or reply.code == 421:
                break
        await Close(self._channel)

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        self._hash.update(data)
        if self._sink.keep_text:
            self._chunks.append(data)

    def _reply(self, heard: Heard) -> Reply:
        own = self._sink.policy(heard) if self._sink.policy else None
        reply = own or USUAL.get(type(heard), Reply(250, (b"2.0.0 ok",)))
        match heard:
            case Mail(sender) if reply.positive:
                self._sender, self._recipients = sender, []
            case Rcpt(recipient) if reply.positive:
                self._recipients.append(recipient)
            case EndOfData():
                if reply.positive:
                    self._store()
                self._begin_text()
            case Ehlo() | Helo() if own is None:
                return Reply(250, (b"mail.example.org",))
            case _:
                pass
        return reply

    def _store(self) -> None:
        self._sink.messages.append(
            Received(
                self._sender,
                tuple(self._recipients),
                self._size,
                self._hash.hexdigest(),
                b"".join(self._chunks),
            )
        )


async def serve_smtp(channel: Channel[SmtpServer], sink: MemorySink) -> None:
    """Serve one session; what it brings ends up in ``sink``."""
    await SmtpService(channel, sink).run()
