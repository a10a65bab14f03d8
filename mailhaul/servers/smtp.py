"""An SMTP or LMTP server that puts messages in memory, or only counts and hashes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256

from ..flows.channel import Channel, next_event
from ..flows.requests import Close, Sleep, TimedOut, TlsFailed
from ..protocols.errors import LimitExceeded, RemoteProtocolError
from ..protocols.sasl.exchange import Authenticate
from ..protocols.sasl.server_mechanisms import Accepted
from ..protocols.smtp.commands import (
    Bdat,
    BodyChunk,
    Data,
    Ehlo,
    EndOfData,
    Expn,
    Heard,
    Helo,
    Help,
    Mail,
    Quit,
    Rcpt,
    StartTls,
    Vrfy,
)
from ..protocols.smtp.events import Closed, Reply
from ..protocols.smtp.server import SmtpServer
from .logins import Logins

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


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection without a word."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Say nothing for this many seconds, then hang up."""

    seconds: float


Policy = Callable[[Heard], Reply | HangUp | Stall | None]
"""Looks at a command, or a piece of text, and decides on it; None stands for the usual reply.

Text has no reply: a 421 in the middle of it is said at once and ends the connection.
"""

USUAL: dict[type, Reply] = {
    Mail: Reply(250, (b"2.1.0 sender ok",)),
    Rcpt: Reply(250, (b"2.1.5 recipient ok",)),
    Data: Reply(354, (b"go ahead",)),
    EndOfData: Reply(250, (b"2.0.0 accepted",)),
    Bdat: Reply(250, (b"2.0.0 accepted",)),
    Vrfy: Reply(252, (b"2.1.5 send some mail, I will try",)),
    Expn: Reply(502, (b"5.7.2 no lists are shown",)),
    Help: Reply(214, (b"2.0.0 RFC 5321",)),
    Quit: Reply(221, (b"2.0.0 bye",)),
}
TOO_LARGE = Reply(552, (b"5.3.4 the message is too large",))
Secure = Callable[[], Awaitable[None]]
"""Shakes hands over TLS as the server; raises RuntimeFault."""
AUTHENTICATED = Reply(235, (b"2.7.0 welcome",))
NOT_AUTHENTICATED = Reply(535, (b"5.7.8 wrong user or password",))
BROKEN_OFF = Reply(501, (b"5.5.2 the authentication was broken off",))
UNKNOWN_MECHANISM = Reply(504, (b"5.5.4 this mechanism is not known here",))


@dataclass(slots=True)
class MemorySink:
    """What a server received. ``policy`` may answer any command in its place.

    ``verdict`` gives LMTP's reply for each recipient, where ``policy`` accepts a text.
    With ``keep_text`` off, a message of any size takes no memory.
    """

    policy: Policy | None = None
    verdict: Callable[[bytes], Reply] | None = None
    keep_text: bool = True
    messages: list[Received] = field(default_factory=list[Received])


class SmtpService:
    """One session. AUTH is offered with ``logins``, STARTTLS with ``secure``."""

    def __init__(
        self,
        channel: Channel[SmtpServer],
        sink: MemorySink,
        logins: Logins | None = None,
        secure: Secure | None = None,
    ) -> None:
        self._channel = channel
        self._sink = sink
        self._logins = logins
        self._secure = secure
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
        if self._logins:
            machine.extensions[b"AUTH"] = b" ".join(self._logins.mechanisms)
        if self._secure and not self._channel.tls:
            machine.extensions[b"STARTTLS"] = b""
        machine.send(Reply(220, (b"mail.example.org ready",)))
        try:
            while not isinstance(heard := await next_event(self._channel, PATIENCE), Closed):
                if not await self._serve(heard):
                    break
        except TlsFailed:
            pass
        except TimedOut:
            machine.send(Reply(421, (b"4.4.2 no command for too long, closing",)))
        except LimitExceeded as fault:
            machine.send(Reply(421, (b"4.7.0 %b is too long, closing" % fault.name.encode(),)))
        except RemoteProtocolError:
            machine.send(Reply(421, (b"4.7.0 this is no SMTP, closing",)))
        # What was said last leaves before the line is closed.
        await Sleep(0)
        await Close(self._channel)

    async def _serve(self, heard: Heard) -> bool:
        """Answer one command; False when the connection is over."""
        own = self._sink.policy(heard) if self._sink.policy else None
        match own:
            case HangUp():
                return False
            case Stall(seconds):
                await Sleep(seconds)
                return False
            case _:
                pass
        if isinstance(heard, BodyChunk) and own is None:
            self._take(heard.data)
            return True
        if isinstance(heard, Authenticate) and own is None:
            own = await self._log_in(heard)
        if isinstance(heard, StartTls) and own is None and self._secure:
            self._channel.machine.send(Reply(220, (b"2.0.0 go ahead",)))
            await self._secure()
            self._channel.machine.tls_started()
            return True
        replies = self._replies(heard, own)
        for reply in replies:
            self._channel.machine.send(reply)
        return not (isinstance(heard, Quit) or replies[0].code == 421)

    async def _log_in(self, command: Authenticate) -> Reply:
        verdict = None
        if self._logins:
            verdict = await self._logins.exchange(self._channel, command, PATIENCE)
        match verdict:
            case None:
                return UNKNOWN_MECHANISM
            case Accepted():
                return AUTHENTICATED
            case _:
                # Giving up and what is no base64 are 501 (RFC 4954, section 4).
                return BROKEN_OFF if verdict.malformed else NOT_AUTHENTICATED

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        self._hash.update(data)
        if self._sink.keep_text:
            self._chunks.append(data)

    def _replies(self, heard: Heard, own: Reply | None) -> list[Reply]:
        """Return the replies that are due, and follow what they mean for the message."""
        reply = own or USUAL.get(type(heard), Reply(250, (b"2.0.0 ok",)))
        match heard:
            case Mail(sender) if reply.positive:
                self._sender, self._recipients = sender, []
                self._begin_text()
            case Rcpt(recipient) if reply.positive:
                self._recipients.append(recipient)
            case EndOfData() | Bdat(last=True):
                replies = self._verdicts(reply)
                self._begin_text()
                return replies
            case Ehlo() | Helo() if own is None:
                return [Reply(250, (b"mail.example.org",))]
            case _:
                pass
        return [reply]

    def _verdicts(self, reply: Reply) -> list[Reply]:
        """Store the text for whom it is accepted; return the replies that say so."""
        due = len(self._channel.machine.outstanding)
        limit = self._channel.machine.extensions.get(b"SIZE", b"")
        if reply.positive and limit.isdigit() and 0 < int(limit) < self._size:
            return [TOO_LARGE] * due
        verdict = self._sink.verdict
        if not (reply.positive and verdict and self._channel.machine.lmtp):
            if reply.positive:
                self._store(self._recipients)
            return [reply] * due
        replies = [verdict(recipient) for recipient in self._recipients]
        told = zip(self._recipients, replies, strict=True)
        if taken := [recipient for recipient, own in told if own.positive]:
            self._store(taken)
        return replies

    def _store(self, recipients: list[bytes]) -> None:
        self._sink.messages.append(
            Received(
                self._sender,
                tuple(recipients),
                self._size,
                self._hash.hexdigest(),
                b"".join(self._chunks),
            )
        )


async def serve_smtp(
    channel: Channel[SmtpServer],
    sink: MemorySink,
    logins: Logins | None = None,
    secure: Secure | None = None,
) -> None:
    """Serve one session; what it brings ends up in ``sink``."""
    await SmtpService(channel, sink, logins, secure).run()
