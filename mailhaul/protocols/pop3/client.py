"""A POP3 client without I/O: bytes in, events out (RFC 1939, 2449, 2595, 5034, 6856).

client_states.py says which command is allowed in which state, client_lines.py writes commands, and
replies.py parses lines. This module matches replies to commands and passes message text on as it
arrives.

This file is long because of servers that send replies too many or too few: all replies go through
one queue, which decides whom to believe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..announced import NOTHING, Announced, by_words
from ..dots import CRLF, DotReader
from ..errors import ConnectionLost, LimitExceeded, LocalProtocolError, RemoteProtocolError
from ..greetings import looks_like
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import NEED_DATA, NeedData, Tap
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
"""Maximum number of octets of message text in one event."""
LISTING_BLOCK = 8 * 1024
"""Octets of a LIST or UIDL listing that are read at a time."""
EMPTY_LINES = 8
"""Maximum number of empty lines skipped before a reply. Exchange Online sent some after DELE."""

NO_PIPELINING = frozenset({Capa, StartTls, User, Pass, Apop, Authenticate, Utf8})
"""Commands that are not pipelined, because they change the state or the capabilities. Only PASS may
follow USER (RFC 2449, section 6.6)."""
WITH_SECRET = (Pass, Apop, Authenticate)
CHANGE_STATE = frozenset({User, Pass, Apop, Authenticate, Quit})
"""Commands whose reply changes the state, besides StartTls."""

NO_UNSOLICITED = (states.authorization, states.transaction)
"""States in which a server must not send anything unsolicited."""


class Pop3Client(Client[Command | Continuation, Event, Dialogue]):
    """A POP3 client without a socket.

    ``capabilities`` maps the capability names of the last CAPA reply, in upper case, to their
    arguments. Commands can be pipelined if it contains PIPELINING (RFC 2449, section 6.6);
    otherwise ``send`` raises LocalProtocolError. ``timestamp`` is the greeting's timestamp for
    APOP, with angle brackets, or None.

    An empty line before a reply may be a late part of the previous reply, or may replace this
    reply. It is skipped, and the client is ``in_doubt`` until all outstanding replies have arrived.
    Meanwhile only QUIT can be pipelined, and of several outstanding replies all but the last are
    marked ``doubtful``.

    With ``read_only``, ``send`` raises LocalProtocolError for everything that may change something
    at the server: RETR, DELE and RSET.
    """

    GREETING = states.greeting
    INJECTED = "unencrypted data followed the +OK to STLS (RFC 2595, section 4)"

    def __init__(
        self, limits: Limits = DEFAULT_LIMITS, tap: Tap | None = None, *, read_only: bool = False
    ) -> None:
        super().__init__(states.table, limits, tap)
        if read_only:
            self._read_only = True
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
        """Go to the transaction state without a login: the caller knows it is not needed."""
        self._take_note("assume_authenticated")
        self._check_unharmed()
        self._advance(Dialogue.assumed_authenticated, "assume_authenticated()")

    def _forget_announced(self) -> None:
        self._announced = NOTHING

    def _may_echo_secret(self) -> bool:
        return any(isinstance(c, Pass | Apop | Authenticate) for c in self._pending)

    # Sending

    def _send(self, command: Command | Continuation) -> None:
        if self._fault or self._ended:
            self._refuse_to_send()
        if self._read_only:
            from .read_only import refuse_changes  # most clients are not

            refuse_changes(command)
        if len(self._input) and not self._pending and self._at(*NO_UNSOLICITED):
            # After unsolicited data nothing is sent: the data would be taken for the reply.
            # ``next_event`` raises the error.
            unsolicited = self._unsolicited()
            if unsolicited:
                self._keep_fault(unsolicited)
        if isinstance(command, Quit) and self._pending and not (self._text or self._listing):
            # If an empty line arrived instead of a reply, QUIT may be sent before the reply.
            try:
                self._skip_empty_lines()
            except LimitExceeded as fault:
                self._keep_fault(fault)
        if self._fault:
            return
        match command:
            case Respond() | CancelAuthentication():
                self._respond(command)
            case _ if type(command) not in VERBS:
                raise LocalProtocolError(f"{type(command).__name__} is not a POP3 command")
            case _:
                self._send_command(command)

    def _send_command(self, command: Command) -> None:
        line, redacted = encode(command, self._timestamp)
        if self._pending:
            self._check_turn(command)
        if self._secured and isinstance(command, StartTls):
            raise LocalProtocolError("TLS is already active (RFC 2595, section 4)")
        if not self._moves(states.SENT.get(type(command), Dialogue.maildrop_command_sent)):
            raise self._not_allowed(describe(command))
        self._may_be_shifted = self._may_be_shifted or (self._in_doubt and bool(self._pending))
        self._pending.append(command)
        if isinstance(command, WITH_SECRET):
            self._keep_secret(command)
        self._say(line, redacted)

    def _keep_secret(self, command: Pass | Apop | Authenticate) -> None:
        """Prepare for the replies to a command with a secret, which must not be shown."""
        if isinstance(command, Authenticate):
            self._begin_exchange(command, at_once=goes_along(command))
        else:
            self._hidden.add(command.password.reveal())

    def _check_turn(self, command: Command) -> None:
        """Raise LocalProtocolError if a command cannot be sent before outstanding replies."""
        if len(self._pending) >= self._limits.outstanding:
            raise LocalProtocolError("too many commands without a reply")
        last = self._pending[-1]
        if self._in_doubt and isinstance(command, Quit):
            return
        ahead = b"PIPELINING" in self._announced
        changes = type(last) in NO_PIPELINING or type(command) in NO_PIPELINING
        logs_in = isinstance(last, User) and isinstance(command, Pass)
        if not ahead or self._in_doubt or isinstance(last, Quit) or (changes and not logs_in):
            raise LocalProtocolError(
                f"{describe(command)} must wait for the reply to {describe(last)}"
            )

    # Receiving

    def _read(self) -> Event | None:
        while not self._events:
            if text := self._text:
                if chunk := self._read_text(text):
                    return chunk
                if not text.over:
                    return None
                continue
            if self._listing and self._read_listing(self._listing):
                continue
            self._look_ahead()
            line = self._take_line()
            if line is None:
                return None
            if self._listing:
                self._hear_listed(self._listing, line)
            else:
                self._hear(line)
        return self._events.pop(0)

    def _take_line(self) -> bytes | None:
        if self._pending and isinstance(self._pending[0], Authenticate):
            return self._input.take_line(self._limits.sasl, "challenge")
        return self._input.take_line(self._limits.reply_line, "reply line")

    def _look_ahead(self) -> None:
        """Check received bytes before they form a line. Raises RemoteProtocolError."""
        state = self._place.state
        if state is states.greeting:
            start = self._input.head(self._limits.reply_line)
            # A TLS alert has no line ending, so the client would wait until the timeout.
            if len(start) > 1 and start[0] in b"\x15\x16" and start[1] == 3:
                raise RemoteProtocolError(f"greeting is not POP3{looks_like(start)}", line=start)
            end = start.find(b"\n")
            if end >= 0 and not start.endswith(b"\r", 0, end):
                # A server that ends its greeting with a bare LF does so with all lines.
                self._line_end = b"\n"
        elif len(self._input):
            if state is states.tls_handover:
                self._check_clear()
            if state is states.leaving:
                raise RemoteProtocolError("unexpected data after the server's last reply")
            if self._listing:
                return
            if self._pending:
                self._skip_empty_lines()
            elif fault := self._unsolicited():
                raise fault

    def _unsolicited(self) -> RemoteProtocolError | None:
        """Return an error if the server sent unsolicited data, otherwise None."""
        try:
            self._skip_empty_lines()
        except LimitExceeded as fault:
            return fault
        # A CR may be the first half of an empty line.
        if self._input.head(2) in (b"", b"\r"):
            return None
        line = self._hidden.clean_cut(self._input.head(80))
        problem = "unexpected reply: no command was waiting for one"
        return RemoteProtocolError(problem, state=self.state, line=line)

    def _skip_empty_lines(self) -> None:
        """Drop empty lines between replies. Raises LimitExceeded."""
        while self._input.skip_line_end():
            self._empty_lines += 1
            if self._empty_lines > EMPTY_LINES:
                raise LimitExceeded("empty lines between replies", EMPTY_LINES)
            if self._pending:
                self._in_doubt = True
                self._may_be_shifted = self._may_be_shifted or len(self._pending) > 1

    def _hear(self, line: bytes) -> None:
        command = self._pending[0] if self._pending else None
        challenge = isinstance(command, Authenticate) and line[:2] in (b"+", b"+ ")
        if self._line_tap:
            # A challenge may contain data derived from a secret.
            self._line_tap.line("<", b"+ *" if challenge else self._hidden.clean(line))
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
        code = None
        if text.startswith(b"["):
            code, text = split_code(text)
        # Only the text for people is cleaned; numbers and unique ids are parsed unchanged.
        cleaned = self._hidden.clean(text)
        # If this is the reply to the last outstanding command, none was missing.
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
        """Process the rest of the +OK line. A multi-line reply ends with its last line."""
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
        """Process one line of a listing. A line with only a dot ends it."""
        if line == b".":
            self._end_listing(listing)
        elif event := listing.add(line.removeprefix(b".")):
            self._events.append(event)

    def _read_listing(self, listing: Listing) -> bool:
        """Process the received lines of a long listing, which may have a million lines.

        Return whether there were any lines.
        """
        if not listing.may_be_long:
            return False
        rest = block = self._input.take_lines(LISTING_BLOCK)
        while rest and self._listing:
            events, usual = listing.add_usual(rest)
            self._events.extend(events)
            if usual == len(rest):
                return True
            # An unusual line does not change how those after it are reported.
            line, _, rest = rest[usual:].partition(b"\n")
            if len(line) > self._limits.reply_line:
                raise LimitExceeded("reply line", self._limits.reply_line)
            self._hear_listed(listing, line.removesuffix(b"\r"))
        if rest:
            self._input.put_back(rest)
        return bool(block)

    def _end_listing(self, listing: Listing) -> None:
        if isinstance(listing.command, Capa):
            self._announced = by_words(listing.capabilities)
            self._events.append(Capabilities(tuple(listing.capabilities.items())))
        self._listing = None
        self._conclude()

    def _read_text(self, reader: DotReader) -> BodyChunk | None:
        """Return the next part of the text, or None if more data is needed or the text ended."""
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
        """Update the state after the complete reply to the oldest command."""
        command = self._pending.popleft()
        if not self._pending:
            # The number of replies matches the number of commands.
            self._in_doubt = self._may_be_shifted = False
        if isinstance(command, StartTls):
            self._end_start_tls(command)
            return
        if type(command) in CHANGE_STATE:
            self._change_state(command, good=self._status.positive)
        self._events.append(self._status)

    def _change_state(self, command: Command, *, good: bool) -> None:
        match command:
            case User():
                (self._dialogue.user_taken if good else self._dialogue.user_refused)()
            case Quit():
                self._dialogue.quit_answered()
            case _:
                self._end_login(good)

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
            # Short secrets are no longer hidden: ordinary words contain them.
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
