"""POP3 as the client sees it: bytes in, events out (RFC 1939, 2449, 2595, 5034, 6856).

Which command is allowed when is in client_states.py, what a command looks like in
client_lines.py, and replies.py reads what stands in a line. This module pairs replies with
commands, and lets texts stream through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..announced import NOTHING, Announced, by_words
from ..dots import CRLF, DotReader
from ..errors import ConnectionLost, LimitExceeded, LocalProtocolError, RemoteProtocolError
from ..greetings import looks_like
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import NEED_DATA, NeedData, Trace
from ..roles import Client
from ..sasl.exchange import (
    Authenticate,
    CancelAuthentication,
    Respond,
)
from . import client_states as states
from .client_lines import VERBS, describe, encode, goes_along
from .client_states import Dialogue
from .commands import (
    Apop,
    Capa,
    Command,
    Continuation,
    Envelope,
    Lang,
    Last,
    List,
    Pass,
    Quit,
    Retrieve,
    StartTls,
    Stat,
    Top,
    Uidl,
    User,
    Utf8,
)
from .events import (
    BodyChunk,
    BodyStart,
    Capabilities,
    Closed,
    Completed,
    Counted,
    Event,
    Greeted,
    LastRead,
    Listed,
    TlsReady,
    TurnedAway,
    UniqueId,
)
from .listing import Listing
from .replies import (
    number,
    split_code,
    split_status,
    timestamp_of,
    two_numbers,
    unique_id,
)

CHUNK = 256 * 1024
"""Octets of message text in one event at most."""
LISTING_BLOCK = 32 * 1024
"""Octets of LIST and UIDL that are read together."""
EMPTY_LINES = 8
"""Empty lines before one reply that are passed over. Exchange Online has sent some after DELE."""

ALONE = (Capa, StartTls, User, Pass, Apop, Authenticate, Utf8)
"""Commands that wait for all replies, and that are answered before anything follows: they
change the state, or what the server can do."""

QUIET = (states.authorization, states.transaction)
"""States in which a server says nothing unsolicited."""


class Pop3Client(Client[Command | Continuation, Event, Dialogue]):
    """A POP3 client without a socket.

    ``capabilities`` is what CAPA said last: names in upper case, with their arguments. Commands
    may go ahead of replies where that holds PIPELINING (RFC 2449, section 6.6); elsewhere
    ``send`` refuses. ``timestamp`` is the greeting's, for APOP.

    An empty line where a reply is due may belong to the last reply, or stand in place of this one.
    It is passed over, and from then until all replies have come the client is ``in_doubt``: nothing
    but QUIT may go ahead, and where more than one reply is due all but the last are ``doubtful``.
    """

    GREETING = states.greeting
    INJECTED = "something came in the clear after the +OK to STLS (RFC 2595, section 4)"

    def __init__(self, limits: Limits = DEFAULT_LIMITS, trace: Trace | None = None) -> None:
        super().__init__(states.table, limits, trace)
        self._pending: deque[Command] = deque()
        self._line_end = CRLF
        self._text: DotReader | None = None
        self._listing: Listing | None = None
        self._empty_lines = 0
        self._may_be_shifted = False
        self._status = Completed(Stat(), True)
        self._announced = NOTHING
        self._timestamp: bytes | None = None
        self._in_doubt = False

    @property
    def capabilities(self) -> Announced:
        """What CAPA said last: keywords in upper case, with the words after each as sent."""
        return self._announced

    @property
    def timestamp(self) -> bytes | None:
        """The timestamp in the greeting, for APOP; None if there was none."""
        return self._timestamp

    @property
    def in_doubt(self) -> bool:
        """Whether an empty line has come in place of a reply that is due."""
        return self._in_doubt

    @property
    def outstanding(self) -> Sequence[Command]:
        """The commands that wait for their reply, oldest first."""
        return tuple(self._pending)

    def assume_authenticated(self) -> None:
        """Go on without a login, on the caller's word that the connection is logged in."""
        self._tell_tap("assume_authenticated")
        self._check_unharmed()
        self._advance(Dialogue.vouched, "going on without a login")

    def _forget_announced(self) -> None:
        self._announced = NOTHING

    def _may_echo_secret(self) -> bool:
        return any(isinstance(c, Pass | Apop | Authenticate) for c in self._pending)

    # Sending

    def _send(self, command: Command | Continuation) -> None:
        self._check_usable()
        if len(self._input) and not self._pending and self._at(*QUIET):
            # Nothing is sent to a server that has spoken unsolicited: its words would be taken for
            # the reply. ``next_event`` says so.
            unasked = self._unasked()
            if unasked:
                self._keep_fault(unasked)
        if isinstance(command, Quit) and self._pending and not (self._text or self._listing):
            # An empty line that has come in place of a reply lets QUIT go ahead.
            try:
                self._pass_over_empty_lines()
            except LimitExceeded as fault:
                self._keep_fault(fault)
        if self._fault:
            return
        match command:
            case Respond() | CancelAuthentication():
                self._respond(command)
            case _ if type(command) not in VERBS:
                raise LocalProtocolError(f"{type(command).__name__} is no command of POP3")
            case _:
                self._send_command(command)

    def _send_command(self, command: Command) -> None:
        line, shown = encode(command, self._timestamp)
        self._check_turn(command)
        if self._secured and isinstance(command, StartTls):
            raise LocalProtocolError("STLS inside TLS")
        if not self._moves(states.SENT.get(type(command), Dialogue.maildrop_command_sent)):
            raise self._not_allowed(describe(command))
        self._may_be_shifted = self._may_be_shifted or (self._in_doubt and bool(self._pending))
        self._pending.append(command)
        match command:
            case Pass(password) | Apop(_, password):
                self._hidden.add(password.reveal())
            case Authenticate():
                self._begin_exchange(command, at_once=goes_along(command))
            case _:
                pass
        self._say(line, shown)

    def _check_turn(self, command: Command) -> None:
        """Refuse what may not go ahead of the replies that are due."""
        if not self._pending:
            return
        if len(self._pending) >= self._limits.outstanding:
            raise LocalProtocolError("too many commands without a reply")
        last = self._pending[-1]
        if self._in_doubt and isinstance(command, Quit):
            return
        ahead = b"PIPELINING" in self._announced
        if (
            not ahead
            or self._in_doubt
            or isinstance(last, (*ALONE, Quit))
            or isinstance(command, ALONE)
        ):
            raise LocalProtocolError(
                f"{describe(command)} has to wait for the reply to {describe(last)}"
            )

    # Hearing

    def _read(self) -> Event | None:
        while not self._events:
            if text := self._text:
                if chunk := self._read_text(text):
                    return chunk
                if not text.over:
                    return None
                continue
            if self._read_listing():
                continue
            self._look_ahead()
            line = self._take_line()
            if line is None:
                return None
            if self._listing:
                self._hear_listed(self._listing, line)
            else:
                self._hear(line)
        return self._events.popleft()

    def _take_line(self) -> bytes | None:
        if self._pending and isinstance(self._pending[0], Authenticate):
            return self._input.take_line(self._limits.sasl, "challenge")
        return self._input.take_line(self._limits.reply_line, "reply line")

    def _look_ahead(self) -> None:
        """Look at what may be a fault before it is a line. Raises RemoteProtocolError."""
        state = self._place.state
        if state is states.greeting:
            start = self._input.head(self._limits.reply_line)
            # A TLS alert does not end with a line end; it would be waited for until the timeout.
            if len(start) > 1 and start[0] in b"\x15\x16" and start[1] == 3:
                raise RemoteProtocolError(f"greeting is not POP3{looks_like(start)}", line=start)
            end = start.find(b"\n")
            if end >= 0 and not start.endswith(b"\r", 0, end):
                # A server that ends its greeting with a bare line feed ends all lines so.
                self._line_end = b"\n"
        elif len(self._input):
            if state is states.tls_handover:
                self._check_clear()
            if state is states.leaving:
                raise RemoteProtocolError("something came after the server's good-bye")
            if self._listing:
                return
            if self._pending:
                self._pass_over_empty_lines()
            elif fault := self._unasked():
                raise fault

    def _unasked(self) -> RemoteProtocolError | None:
        """Return the fault of a server that speaks unsolicited, if that is what it does."""
        try:
            self._pass_over_empty_lines()
        except LimitExceeded as fault:
            return fault
        # The first half of an empty line is nothing yet.
        if self._input.head(2) in (b"", b"\r"):
            return None
        line = self._hidden.clean_cut(self._input.head(80))
        return RemoteProtocolError("a reply to nothing that we asked", state=self.state, line=line)

    def _pass_over_empty_lines(self) -> None:
        """Drop empty lines where a reply is due or nothing is. Raises LimitExceeded."""
        while self._input.head(1) == b"\n" or self._input.head(2) == b"\r\n":
            self._input.take_line(self._limits.reply_line)
            self._empty_lines += 1
            if self._empty_lines > EMPTY_LINES:
                raise LimitExceeded("empty lines between replies", EMPTY_LINES)
            if self._pending:
                self._in_doubt = True
                self._may_be_shifted = self._may_be_shifted or len(self._pending) > 1

    def _hear(self, line: bytes) -> None:
        command = self._pending[0] if self._pending else None
        challenge = isinstance(command, Authenticate) and line[:2] in (b"+", b"+ ")
        if self._trace:
            # A challenge may hold what comes from a secret.
            self._trace("<", b"+ *" if challenge else self._hidden.clean(line))
        if challenge and self._exchange:
            event = self._hear_challenge(self._exchange, line[1:])
            self._events.extend([event] if event else [])
        elif command is None:
            self._hear_greeting(line)
        else:
            self._hear_reply(command, line)

    def _hear_reply(self, command: Command, line: bytes) -> None:
        status = split_status(line)
        if status is None:
            raise RemoteProtocolError(
                f"reply to {describe(command)} is neither +OK nor -ERR", line=line
            )
        positive, text = status
        code, text = split_code(text)
        # The text is for people; numbers and unique ids are data, and read before it is cleaned.
        cleaned = self._hidden.clean(text)
        # Where the last reply that is due has come, none was missing.
        doubtful = self._may_be_shifted and len(self._pending) > 1
        self._status = Completed(command, positive, cleaned, code, doubtful)
        self._empty_lines = 0
        if positive:
            self._begin_answer(command, text)
        else:
            self._conclude()

    def _hear_greeting(self, line: bytes) -> None:
        status = split_status(line)
        if status is None:
            raise RemoteProtocolError(f"greeting is not POP3{looks_like(line)}", line=line)
        positive, text = status
        if positive:
            self._dialogue.welcomed()
            self._timestamp = timestamp_of(text)
            self._events.append(Greeted(self._timestamp, text))
        else:
            self._dialogue.turned_away()
            code, text = split_code(text)
            self._events.append(TurnedAway(code, text))

    def _begin_answer(self, command: Command, text: bytes) -> None:
        """Read what stands after +OK; what has more lines is over when they are."""
        digits = self._limits.digits
        match command:
            case Retrieve(message) | Top(message):
                self._text = DotReader(self._line_end)
                self._events.append(BodyStart(message))
                return
            case Capa() | List(None) | Uidl(None) | Lang(None) | Envelope():
                self._listing = Listing(command, self._limits)
                return
            case Stat():
                self._events.append(Counted(*two_numbers(text, "reply to STAT", digits)))
            case List():
                self._events.append(Listed(*two_numbers(text, "reply to LIST", digits)))
            case Uidl():
                self._events.append(UniqueId(*unique_id(text, digits)))
            case Last():
                word = text.strip(b" ").partition(b" ")[0]
                self._events.append(LastRead(number(word, "reply to LAST", digits)))
            case _:
                pass
        self._conclude()

    def _hear_listed(self, listing: Listing, line: bytes) -> None:
        """Take one line of a list; a lone dot ends it."""
        if line == b".":
            self._end_listing(listing)
        elif event := listing.add(line.removeprefix(b".")):
            self._events.append(event)

    def _read_listing(self) -> bool:
        """Take all lines of a listing that are there, of which there may be a million.

        Return whether there were any.
        """
        listing = self._listing
        if listing is None or not listing.may_be_long:
            return False
        block = self._input.take_lines(LISTING_BLOCK)
        lines = block.split(b"\n")
        last = len(lines) - 1
        for place in range(last):
            line = lines[place].removesuffix(b"\r")
            if line == b".":
                self._input.put_back(b"\n".join(lines[place + 1 :]))
                self._end_listing(listing)
                break
            if len(lines[place]) > self._limits.reply_line:
                raise LimitExceeded("reply line", self._limits.reply_line)
            if event := listing.add(line.removeprefix(b".")):
                self._events.append(event)
        return bool(block)

    def _end_listing(self, listing: Listing) -> None:
        if isinstance(listing.command, Capa):
            self._announced = by_words(listing.capabilities)
            self._events.append(Capabilities(tuple(listing.capabilities.items())))
        self._listing = None
        self._conclude()

    def _read_text(self, reader: DotReader) -> BodyChunk | None:
        """Return some text, or None: then more has to come, or the text is over."""
        while len(self._input):
            end = self._input.find(self._line_end + b"." + self._line_end)
            most = min(CHUNK, end + 5) if end >= 0 else CHUNK
            data = reader.feed(self._input.take(most))
            if reader.over:
                self._input.put_back(reader.rest)
                self._text = None
                self._conclude()
            if data:
                return BodyChunk(data)
            if reader.over:
                break
        return None

    def _conclude(self) -> None:
        """The reply to the oldest command is over: move the dialogue on."""
        command = self._pending.popleft()
        if not self._pending:
            # As many replies came as were due.
            self._in_doubt = self._may_be_shifted = False
        good = self._status.positive
        match command:
            case StartTls():
                self._end_start_tls(command)
                return
            case User():
                (self._dialogue.user_taken if good else self._dialogue.user_refused)()
            case Pass() | Apop() | Authenticate():
                self._end_login(good)
            case Quit():
                self._dialogue.quit_answered()
            case _:
                pass
        self._events.append(self._status)

    def _end_start_tls(self, command: StartTls) -> None:
        if not self._status.positive:
            self._dialogue.start_tls_refused()
            self._events.append(self._status)
            return
        self._dialogue.start_tls_granted()
        self._forget_announced()
        self._check_clear()
        self._events.append(TlsReady(command))

    def _end_login(self, good: bool) -> None:
        self._exchange = None
        if good:
            # What a server can do may differ from here on (RFC 2449, section 5).
            self._hidden.login_is_over()
            self._dialogue.login_granted()
        else:
            self._dialogue.login_refused()

    def _at_end(self) -> Event | NeedData:
        if self._at(states.closed):
            return NEED_DATA
        if self._text is not None:
            raise ConnectionLost(f"connection closed inside message {describe(self._pending[0])}")
        if self._pending:
            first, *more = self._pending
            others = f" and {len(more)} more were" if more else " was"
            raise ConnectionLost(f"connection closed while {describe(first)}{others} unanswered")
        if self._at(states.greeting):
            start = self._input.head(80)
            raise ConnectionLost(f"connection closed before the greeting{looks_like(start)}")
        self._dialogue.closed()
        return Closed()
