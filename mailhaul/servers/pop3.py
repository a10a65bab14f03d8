"""A small but correct POP3 server for a mailbox in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from .. import pop3, sasl
from ..flows.channel import Channel, next_event
from ..flows.requests import Close, RuntimeFault, TimedOut, Wait
from ..protocols.errors import RemoteProtocolError
from .logins import Logins
from .mailboxes import Mailbox, Message, with_line_ends

INACTIVITY_TIMEOUT = 600.0
"""Seconds without a command after which the connection is closed (RFC 1939, section 3)."""

EXTENSIONS = (b"TOP", b"UIDL", b"PIPELINING", b"RESP-CODES", b"AUTH-RESP-CODE", b"USER")
REQUIRED_CAPABILITY: dict[type, bytes] = {
    pop3.StartTls: b"STLS",
    pop3.User: b"USER",
    pop3.Authenticate: b"SASL",
    pop3.Top: b"TOP",
    pop3.Uidl: b"UIDL",
}
"""The capability that each command requires."""

Secure = Callable[[], Awaitable[None]]
"""Performs the server side of the TLS handshake; raises RuntimeFault."""


class Maildrop:
    """The mailbox of one user; one session at a time can open it."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.busy = False


@dataclass(slots=True)
class Misbehaviour:
    """The faults of the server, for tests.

    ``cut`` maps a message number to the number of octets of its text after which the connection
    is closed. ``refuse`` are message numbers that RETR and TOP answer with -ERR. ``silent`` are
    commands that are never answered, ``hang_up`` are commands that close the connection, and
    ``without`` are capabilities that are neither announced nor available.
    """

    cut: dict[int, int] = field(default_factory=dict[int, int])
    refuse: Collection[int] = ()
    silent: Collection[type] = ()
    hang_up: Collection[type] = ()
    without: Collection[bytes] = ()


class Hangup(Exception):
    """The connection is closed without a reply."""


class Refusal(Exception):
    """The command is answered with -ERR."""

    def __init__(self, text: bytes, code: pop3.ResponseCode | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Pop3Service:
    """One session. ``run`` serves it until the client disconnects.

    ``inactivity_timeout`` is in seconds, and RFC 1939 allows no less than the 600 that it is.
    """

    inactivity_timeout = INACTIVITY_TIMEOUT

    def __init__(
        self,
        channel: Channel[pop3.Server],
        maildrop: Maildrop,
        logins: Logins,
        secure: Secure | None = None,
        misbehaviour: Misbehaviour | None = None,
        timestamp: bytes | None = None,
    ) -> None:
        self._channel = channel
        self._machine = channel.machine
        self._maildrop = maildrop
        self._logins = logins
        self._secure = secure
        self._misbehaviour = misbehaviour or Misbehaviour()
        self._timestamp = timestamp
        self._user = b""
        self._open = False
        self._messages: list[Message] = []
        self._deleted: set[int] = set()
        self._last = 0

    async def run(self) -> None:
        """Send the greeting, then process commands."""
        self._machine.send(pop3.Greeted(self._timestamp, b"ready"))
        try:
            while not isinstance(
                event := await next_event(self._channel, self.inactivity_timeout), pop3.Closed
            ):
                if isinstance(event, pop3.Respond | pop3.CancelAuthentication):
                    continue
                await self._answer(event)
                if isinstance(event, pop3.Quit):
                    break
        except (Hangup, RemoteProtocolError, TimedOut):
            pass
        finally:
            if self._open:
                self._maildrop.busy = False
        await Close(self._channel)

    async def _answer(self, command: pop3.Command) -> None:
        if isinstance(command, tuple(self._misbehaviour.hang_up)):
            raise Hangup
        if isinstance(command, tuple(self._misbehaviour.silent)):
            await Wait([], self.inactivity_timeout)
        try:
            text = await self._do(command)
        except Refusal as refusal:
            self._machine.send(pop3.Completed(command, False, refusal.text, refusal.code))
        else:
            if not isinstance(command, pop3.StartTls):
                self._machine.send(pop3.Completed(command, True, text))

    async def _do(self, command: pop3.Command) -> bytes:
        """Execute a command; return the text of its +OK. Raises Refusal."""
        if REQUIRED_CAPABILITY.get(type(command)) in self._misbehaviour.without:
            raise Refusal(b"unknown command")
        match command:
            case pop3.Capa():
                self._machine.send(pop3.Capabilities(self._announced()))
            case pop3.StartTls():
                await self._start_tls(command)
            case pop3.User(name):
                self._user = name
            case pop3.Pass() | pop3.Apop() | pop3.Authenticate():
                return await self._log_in(command)
            case pop3.Noop():
                pass
            case pop3.Quit():
                self._update()
            case pop3.Utf8() | pop3.Lang():
                raise Refusal(b"not here")
            case _:
                await self._do_in_maildrop(command)
        return b""

    async def _do_in_maildrop(self, command: pop3.Command) -> None:
        match command:
            case pop3.Stat():
                undeleted = [message for _, message in self._undeleted()]
                self._machine.send(
                    pop3.Counted(len(undeleted), sum(m.pop3_size for m in undeleted))
                )
            case pop3.List(number):
                for place, message in self._selected(number):
                    self._machine.send(pop3.Listed(place, message.pop3_size))
            case pop3.Uidl(number):
                for place, message in self._selected(number):
                    self._machine.send(pop3.UniqueId(place, self._uid(message)))
            case pop3.Retrieve(number) | pop3.Top(number):
                await self._send_text(command, number)
            case pop3.Delete(number):
                self._find(number)
                self._deleted.add(number)
            case pop3.Reset():
                self._deleted.clear()
            case pop3.Last():
                self._machine.send(pop3.LastRead(self._last))
            case _:
                raise Refusal(b"not here")

    # Logging in

    def _announced(self) -> tuple[tuple[bytes, bytes], ...]:
        names = [(name, b"") for name in EXTENSIONS]
        # Only where it is permitted (RFC 2595, section 4).
        if self._secure and not self._channel.tls and not self._open:
            names.append((b"STLS", b""))
        names.append((b"SASL", b" ".join(self._logins.mechanisms)))
        return tuple(pair for pair in names if pair[0] not in self._misbehaviour.without)

    async def _start_tls(self, command: pop3.StartTls) -> None:
        if self._secure is None or self._channel.tls:
            raise Refusal(b"no TLS here")
        self._machine.send(pop3.TlsReady(command))
        try:
            await self._secure()
        except RuntimeFault:
            raise Hangup from None
        self._machine.tls_started()

    async def _log_in(self, command: pop3.Pass | pop3.Apop | pop3.Authenticate) -> bytes:
        match command:
            case pop3.Pass(password):
                accepted = self._logins.is_password(self._user, password.reveal())
            case pop3.Apop(user, digest):
                if self._timestamp is None:
                    raise Refusal(b"APOP is not offered here")
                accepted = self._digest_of(user) == digest.reveal()
            case pop3.Authenticate():
                timeout = self.inactivity_timeout
                verdict = await self._logins.exchange(self._channel, command, timeout)
                accepted = isinstance(verdict, sasl.Accepted)
                # The code [AUTH] is only for wrong credentials (RFC 3206, section 5).
                if verdict is None:
                    raise Refusal(b"unknown authentication mechanism")
                if not isinstance(verdict, sasl.Accepted) and verdict.malformed:
                    raise Refusal(b"authentication cancelled or malformed")
        if not accepted:
            raise Refusal(b"wrong user or password", pop3.ResponseCode.AUTH)
        if self._maildrop.busy:
            raise Refusal(b"the maildrop is in use by another session", pop3.ResponseCode.IN_USE)
        self._maildrop.busy = self._open = True
        self._messages = list(self._maildrop.mailbox.messages)
        return b"%d messages" % len(self._messages)

    def _digest_of(self, user: bytes) -> bytes | None:
        password = self._logins.password(user)
        if password is None or self._timestamp is None:
            return None
        from hashlib import md5  # only old clients use APOP

        digest = md5(self._timestamp + password, usedforsecurity=False)
        return digest.hexdigest().encode("ascii")

    # The maildrop

    def _undeleted(self) -> list[tuple[int, Message]]:
        numbered = enumerate(self._messages, 1)
        return [(number, message) for number, message in numbered if number not in self._deleted]

    def _find(self, number: int) -> Message:
        if not 1 <= number <= len(self._messages) or number in self._deleted:
            raise Refusal(b"no such message")
        return self._messages[number - 1]

    def _selected(self, number: int | None) -> list[tuple[int, Message]]:
        return self._undeleted() if number is None else [(number, self._find(number))]

    def _uid(self, message: Message) -> bytes:
        return b"%d.%d" % (self._maildrop.mailbox.uidvalidity, message.uid)

    async def _send_text(self, command: pop3.Retrieve | pop3.Top, number: int) -> None:
        message = self._find(number)
        if number in self._misbehaviour.refuse:
            raise Refusal(b"this message cannot be read")
        chunks = with_line_ends(message.chunks())
        if isinstance(command, pop3.Top):
            chunks = first_lines(chunks, command.lines)
        else:
            self._last = max(self._last, number)
        self._machine.send(pop3.BodyStart(number))
        left = self._misbehaviour.cut.get(number)
        for chunk in chunks:
            if left is not None:
                if len(chunk) >= left:
                    self._machine.send(pop3.BodyChunk(chunk[:left]))
                    raise Hangup
                left -= len(chunk)
            self._machine.send(pop3.BodyChunk(chunk))
            await self._wait_until_sent()

    def _update(self) -> None:
        """Remove the deleted messages; this happens only at QUIT (section 6)."""
        gone = [self._messages[number - 1] for number in self._deleted]
        self._maildrop.mailbox.discard(gone)

    async def _wait_until_sent(self) -> None:
        """Wait until pending data has been written. Raises Hangup."""
        while self._channel.congested:
            try:
                await Wait([self._channel], self.inactivity_timeout)
            except TimedOut:
                raise Hangup from None


def first_lines(chunks: Iterable[bytes], lines: int) -> Iterator[bytes]:
    """Yield the header, the empty line and this many lines of the body (section 7, TOP)."""
    # If the header is empty, the first line is the empty line.
    before, in_header = b"\r\n", True
    for chunk in chunks:
        place = 0
        if in_header:
            joined = before + chunk
            end = joined.find(b"\r\n\r\n")
            if end < 0:
                # The empty line may begin in this chunk and end in the next.
                before = joined[-3:]
                yield chunk
                continue
            place = end + 4 - len(before)
            in_header = False
        count = chunk.count(b"\n", place)
        if count < lines:
            lines -= count
            yield chunk
            continue
        for _ in range(lines):
            place = chunk.find(b"\n", place) + 1
        yield chunk[:place]
        return


async def serve_pop3(
    channel: Channel[pop3.Server],
    maildrop: Maildrop,
    logins: Logins,
    misbehaviour: Misbehaviour | None = None,
    secure: Secure | None = None,
    timestamp: bytes | None = None,
) -> None:
    """Serve one session; offer STLS if ``secure`` is given, and APOP if ``timestamp`` is given."""
    await Pop3Service(channel, maildrop, logins, secure, misbehaviour, timestamp).run()
