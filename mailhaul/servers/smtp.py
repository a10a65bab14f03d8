"""An SMTP or LMTP server that stores messages in memory, or only counts and hashes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256

from .. import smtp
from ..flows.channel import Channel, next_event
from ..flows.requests import Close, Sleep, TimedOut, TlsFailed
from ..protocols.errors import LimitExceeded, RemoteProtocolError
from ..protocols.sasl.server_mechanisms import Accepted
from .logins import Logins

INACTIVITY_TIMEOUT = 300.0
"""Seconds without a command after which the connection is closed (RFC 5321, 4.5.3.2.7)."""


@dataclass(slots=True)
class Received:
    """One accepted message. ``text`` is empty if only its size and hash are kept."""

    sender: bytes
    recipients: tuple[bytes, ...]
    size: int
    sha256: str
    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection without a reply."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing for this many seconds, then close the connection."""

    seconds: float


Policy = Callable[[smtp.Heard], smtp.Reply | HangUp | Stall | None]
"""Returns the reply to a command or a chunk of text; None means the default reply.

Text has no reply of its own: a 421 for a chunk is sent at once and ends the connection.
"""

DEFAULT_REPLIES: dict[type, smtp.Reply] = {
    smtp.Mail: smtp.Reply(250, (b"2.1.0 sender ok",)),
    smtp.Rcpt: smtp.Reply(250, (b"2.1.5 recipient ok",)),
    smtp.Data: smtp.Reply(354, (b"go ahead",)),
    smtp.EndOfData: smtp.Reply(250, (b"2.0.0 accepted",)),
    smtp.Bdat: smtp.Reply(250, (b"2.0.0 accepted",)),
    smtp.Vrfy: smtp.Reply(252, (b"2.1.5 cannot verify, but will try delivery",)),
    smtp.Expn: smtp.Reply(502, (b"5.7.2 mailing lists are not expanded",)),
    smtp.Help: smtp.Reply(214, (b"2.0.0 RFC 5321",)),
    smtp.Quit: smtp.Reply(221, (b"2.0.0 bye",)),
}
TOO_LARGE = smtp.Reply(552, (b"5.3.4 the message is too large",))
Secure = Callable[[], Awaitable[None]]
"""Performs the server side of the TLS handshake; raises RuntimeFault."""
AUTHENTICATED = smtp.Reply(235, (b"2.7.0 welcome",))
NOT_AUTHENTICATED = smtp.Reply(535, (b"5.7.8 wrong user or password",))
CANCELLED = smtp.Reply(501, (b"5.5.2 authentication cancelled or malformed",))
UNKNOWN_MECHANISM = smtp.Reply(504, (b"5.5.4 unknown authentication mechanism",))


@dataclass(slots=True)
class MemorySink:
    """The messages that a server received. ``policy`` may override the reply to any command.

    ``verdict`` returns the LMTP reply for each recipient if ``policy`` accepts a message. If
    ``keep_text`` is false, the text is not kept in memory.
    """

    policy: Policy | None = None
    verdict: Callable[[bytes], smtp.Reply] | None = None
    keep_text: bool = True
    messages: list[Received] = field(default_factory=list[Received])


class SmtpService:
    """One session. It offers AUTH if ``logins`` is given, and STARTTLS if ``secure`` is given.

    It closes after ``patience`` seconds without a command.
    """

    def __init__(
        self,
        channel: Channel[smtp.Server],
        sink: MemorySink,
        logins: Logins | None = None,
        secure: Secure | None = None,
        patience: float = INACTIVITY_TIMEOUT,
    ) -> None:
        self._channel = channel
        self._patience = patience
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
        """Send the greeting, then process commands until the client disconnects."""
        machine = self._channel.machine
        if self._logins:
            machine.extensions[b"AUTH"] = b" ".join(self._logins.mechanisms)
        if self._secure and not self._channel.tls:
            machine.extensions[b"STARTTLS"] = b""
        machine.send(smtp.Reply(220, (b"mail.example.org ready",)))
        try:
            while not isinstance(
                event := await next_event(self._channel, self._patience), smtp.Closed
            ):
                if not await self._serve(event):
                    break
        except TlsFailed:
            pass
        except TimedOut:
            machine.send(smtp.Reply(421, (b"4.4.2 no command for too long, closing",)))
        except LimitExceeded as error:
            machine.send(smtp.Reply(421, (b"4.7.0 %b is too long, closing" % error.name.encode(),)))
        except RemoteProtocolError:
            machine.send(smtp.Reply(421, (b"4.7.0 SMTP protocol error, closing",)))
        # The last reply is written before the connection is closed.
        await Sleep(0)
        await Close(self._channel)

    async def _serve(self, event: smtp.Heard) -> bool:
        """Process one command; return False if the connection ends."""
        override = self._sink.policy(event) if self._sink.policy else None
        match override:
            case HangUp():
                return False
            case Stall(seconds):
                await Sleep(seconds)
                return False
            case _:
                pass
        if isinstance(event, smtp.BodyChunk) and override is None:
            self._add_text(event.data)
            return True
        if isinstance(event, smtp.Authenticate) and override is None:
            override = await self._log_in(event)
        if isinstance(event, smtp.StartTls) and override is None and self._secure:
            self._channel.machine.send(smtp.Reply(220, (b"2.0.0 go ahead",)))
            await self._secure()
            self._channel.machine.tls_started()
            return True
        replies = self._replies(event, override)
        for reply in replies:
            self._channel.machine.send(reply)
        return not (isinstance(event, smtp.Quit) or replies[0].code == 421)

    async def _log_in(self, command: smtp.Authenticate) -> smtp.Reply:
        verdict = None
        if self._logins:
            verdict = await self._logins.exchange(self._channel, command, self._patience)
        match verdict:
            case None:
                return UNKNOWN_MECHANISM
            case Accepted():
                return AUTHENTICATED
            case _:
                # A cancellation and invalid base64 get 501 (RFC 4954, section 4).
                return CANCELLED if verdict.malformed else NOT_AUTHENTICATED

    def _add_text(self, data: bytes) -> None:
        self._size += len(data)
        self._hash.update(data)
        if self._sink.keep_text:
            self._chunks.append(data)

    def _replies(self, event: smtp.Heard, override: smtp.Reply | None) -> list[smtp.Reply]:
        """Return the replies to a command, and update the envelope and the text."""
        reply = override or DEFAULT_REPLIES.get(type(event), smtp.Reply(250, (b"2.0.0 ok",)))
        match event:
            case smtp.Mail(sender) if reply.positive:
                self._sender, self._recipients = sender, []
                self._begin_text()
            case smtp.Rcpt(recipient) if reply.positive:
                self._recipients.append(recipient)
            case smtp.EndOfData() | smtp.Bdat(last=True):
                replies = self._final_replies(reply)
                self._begin_text()
                return replies
            case smtp.Ehlo() | smtp.Helo() if override is None:
                return [smtp.Reply(250, (b"mail.example.org",))]
            case _:
                pass
        return [reply]

    def _final_replies(self, reply: smtp.Reply) -> list[smtp.Reply]:
        """Store the message for the accepted recipients; return the replies after the text."""
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
        pairs = zip(self._recipients, replies, strict=True)
        if accepted := [recipient for recipient, override in pairs if override.positive]:
            self._store(accepted)
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
    channel: Channel[smtp.Server],
    sink: MemorySink,
    logins: Logins | None = None,
    secure: Secure | None = None,
) -> None:
    """Serve one session; store its messages in ``sink``."""
    await SmtpService(channel, sink, logins, secure).run()
