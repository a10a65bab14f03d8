"""POP3 as the client sees it: bytes in, events out (RFC 1939, 2449, 2595, 5034, 6856).

Which command is allowed when is in client_states.py, what a command looks like in
client_lines.py, and replies.py reads what stands in a line. This module pairs replies with
commands, and lets texts stream through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from automat import NoTransition

from ..dots import CRLF, DotReader
from ..errors import ConnectionLost, LimitExceeded, LocalProtocolError, RemoteProtocolError
from ..greetings import looks_like
from ..hidden import Hidden
from ..input import InputBuffer
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import NEED_DATA, NeedData, Outbox, Trace
from ..sasl.exchange import (
    Authenticate,
    CancelAuthentication,
    Challenge,
    Respond,
    decode_base64,
    encode_base64,
)
from .client_lines import VERBS, describe, encode, goes_along
from .client_states import Facts, new_dialogue
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
    Line,
    Listed,
    TlsReady,
    TurnedAway,
    UniqueId,
)
from .replies import (
    listed_size,
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
"""Octets of LIST and UIDL that are read in one go."""
EMPTY_LINES = 8
"""Empty lines before one reply that are passed over. Exchange Online has sent some after DELE."""

INPUTS: dict[type, str] = {
    **dict.fromkeys((Capa, Lang), "question"),
    **dict.fromkeys((Apop, Authenticate), "login"),
    Utf8: "utf8",
    StartTls: "start_tls",
    User: "user",
    Pass: "password",
    Quit: "quit",
}
"""The input of the dialogue that each command is when it is sent: NAME_sent.

All others are commands on the maildrop: ``maildrop_command_sent``.
"""

ALONE = (Capa, StartTls, User, Pass, Apop, Authenticate, Utf8)
"""Commands that wait for all replies, and that are answered before anything follows: they
change the state, or what the server can do."""

QUIET = frozenset({"authorization", "transaction"})
"""States in which a server says nothing unasked."""
INJECTED = "something came in the clear behind the +OK to STLS (RFC 2595, section 4)"


class Pop3Client:
    """A POP3 client without a socket.

    ``capabilities`` is what CAPA said last: names in upper case, with their arguments. Commands
    may go ahead of replies where that holds PIPELINING (RFC 2449, section 6.6); elsewhere
    ``send`` refuses. ``timestamp`` is the greeting's, for APOP.

    An empty line where a reply is due may belong to the last reply, or stand in place of this one.
    It is passed over, and from then until all replies have come the client is ``in_doubt``: nothing
    but QUIT may go ahead, and where more than one reply is due all but the last are ``doubtful``.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, trace: Trace | None = None) -> None:
        self._limits = limits
        self._trace = trace
        self._facts = Facts()
        self._dialogue = new_dialogue(self._facts)
        self._input = InputBuffer()
        self._outbox = Outbox()
        self._pending: deque[Command] = deque()
        self._events: deque[Event] = deque()
        self._hidden = Hidden()
        self._line_end = CRLF
        self._text: DotReader | None = None
        self._lines: list[bytes] | None = None
        self._listed = 0
        self._listed_octets = 0
        self._empty_lines = 0
        self._may_be_shifted = False
        self._late_fault: RemoteProtocolError | None = None
        self._status = Completed(Stat(), True)
        self._challenged = False
        self._initial_response: bytes | None = None
        self._cancelled = False
        self._tls = False
        self._ended = False
        self._fault: RemoteProtocolError | None = None
        self.capabilities: dict[bytes, bytes] = {}
        self.timestamp: bytes | None = None
        self.in_doubt = False

    # The face of every machine

    @property
    def state(self) -> str:
        """Where the dialogue stands: a state of client_states.py, or ``error``."""
        return "error" if self._fault else self._facts.state

    @property
    def outstanding(self) -> Sequence[Command]:
        """The commands that wait for their reply, oldest first."""
        return tuple(self._pending)

    @property
    def unsent(self) -> int:
        """How many bytes ``data_to_send`` would hand over now."""
        return self._outbox.size

    def receive_data(self, data: bytes) -> None:
        """Take bytes that the server sent."""
        self._input.append(data)

    def receive_eof(self) -> None:
        """Take note that the server will send no more."""
        self._ended = True

    def data_to_send(self) -> list[bytes]:
        """Hand over, once, the bytes that are due to the server."""
        return self._outbox.take()

    def send(self, command: Command | Continuation) -> None:
        """Send a command, or the answer to a Challenge.

        Raises LocalProtocolError when it is not allowed now. Nothing is sent to a server that has
        spoken unasked, for its words would be taken for the reply: ``next_event`` says so.
        """
        if self._fault or self._ended:
            raise LocalProtocolError("the connection is of no more use")
        if len(self._input) and not self._pending and self._facts.state in QUIET:
            self._fault = self._unasked()
        if isinstance(command, Quit) and self._pending and not self._text and self._lines is None:
            # An empty line that has come in place of a reply lets QUIT go ahead.
            try:
                self._pass_over_empty_lines()
            except LimitExceeded as fault:
                self._fault = fault
        if self._fault:
            return
        match command:
            case Respond(response):
                self._respond(encode_base64(response.reveal()), response.reveal())
            case CancelAuthentication():
                self._respond(b"*")
                self._cancelled = True
            case _ if type(command) not in VERBS:
                raise LocalProtocolError(f"{type(command).__name__} is no command of POP3")
            case _:
                self._send_command(command)

    def next_event(self) -> Event | NeedData:
        """Return the next event, or NEED_DATA.

        Raises RemoteProtocolError at the point of the fault, and again ever after.
        """
        if self._events:
            return self._events.popleft()
        if self._fault:
            raise self._fault
        try:
            return self._read()
        except RemoteProtocolError as fault:
            fault.state = fault.state or self.state
            # Where a password has just been sent, what came may be a part of its echo.
            secret = any(isinstance(c, Pass | Apop | Authenticate) for c in self._pending)
            fault.line = b"" if secret else self._hidden.clean_cut(fault.line)
            self._fault = fault
            self._outbox.take()
            raise

    def tls_started(self) -> None:
        """The handshake is over: what the server announced before counts no more."""
        self._advance("tls_started", "the handshake")
        self._tls = True
        self.capabilities = {}
        if len(self._input):
            self._fault = RemoteProtocolError(INJECTED, state="tls-handover")

    def assume_authenticated(self) -> None:
        """Go on without a login, on the caller's word that the connection is logged in."""
        self._advance("vouched", "going on without a login")

    # Sending

    def _send_command(self, command: Command) -> None:
        line, shown = encode(command, self.timestamp)
        self._check_turn(command)
        if self._tls and isinstance(command, StartTls):
            raise LocalProtocolError("STLS inside TLS")
        name = INPUTS.get(type(command), "maildrop_command")
        self._advance(f"{name}_sent", describe(command))
        self._may_be_shifted = self._may_be_shifted or (self.in_doubt and bool(self._pending))
        self._pending.append(command)
        match command:
            case Pass(password) | Apop(_, password):
                self._hidden.add(password.reveal())
            case Authenticate(_, initial) if initial is not None:
                self._hidden.add(initial.reveal())
                self._initial_response = None if goes_along(command) else initial.reveal()
            case _:
                pass
        self._say(line, shown)

    def _respond(self, line: bytes, plain: bytes = b"") -> None:
        if not self._challenged:
            raise LocalProtocolError("there is no challenge to respond to")
        self._challenged = False
        self._hidden.add(plain)
        self._say(line, b"*")

    def _say(self, line: bytes, shown: bytes) -> None:
        if self._trace:
            self._trace(">", shown)
        self._outbox.put(line + b"\r\n")

    def _check_turn(self, command: Command) -> None:
        """Refuse what may not go ahead of the replies that are due."""
        if not self._pending:
            return
        if len(self._pending) >= self._limits.outstanding:
            raise LocalProtocolError("too many commands without a reply")
        last = self._pending[-1]
        if self.in_doubt and isinstance(command, Quit):
            return
        ahead = b"PIPELINING" in self.capabilities
        if (
            not ahead
            or self.in_doubt
            or isinstance(last, (*ALONE, Quit))
            or isinstance(command, ALONE)
        ):
            raise LocalProtocolError(
                f"{describe(command)} has to wait for the reply to {describe(last)}"
            )

    def _advance(self, name: str, what: str) -> None:
        """Tell the dialogue what we do; what it does not know there is our caller's fault."""
        if self._fault:
            raise LocalProtocolError("the connection is of no more use")
        step: Callable[[], None] = getattr(self._dialogue, name)
        try:
            step()
        except NoTransition:
            raise LocalProtocolError(f"{what} is not allowed in state {self.state}") from None

    # Hearing

    def _read(self) -> Event | NeedData:
        while not self._events:
            if text := self._text:
                if chunk := self._read_text(text):
                    return chunk
                if not text.over:
                    return self._at_end() if self._ended else NEED_DATA
                continue
            if self._late_fault:
                raise self._late_fault
            if self._read_listing():
                continue
            self._look_ahead()
            line = self._take_line()
            if line is None:
                return self._at_end() if self._ended else NEED_DATA
            if self._lines is None:
                self._hear(line)
            else:
                self._hear_listed(line)
        return self._events.popleft()

    def _take_line(self) -> bytes | None:
        if self._pending and isinstance(self._pending[0], Authenticate):
            return self._input.take_line(self._limits.sasl, "challenge")
        return self._input.take_line(self._limits.reply_line, "reply line")

    def _look_ahead(self) -> None:
        """Look at what may be a fault before it is a line. Raises RemoteProtocolError."""
        state = self._facts.state
        if state == "greeting":
            start = self._input.head(self._limits.reply_line)
            # A TLS alert does not end with a line end; it would be waited for until the timeout.
            if len(start) > 1 and start[0] in b"\x15\x16" and start[1] == 3:
                raise RemoteProtocolError(f"greeting is not POP3{looks_like(start)}", line=start)
            end = start.find(b"\n")
            if end >= 0 and not start.endswith(b"\r", 0, end):
                # A server that ends its greeting with a bare line feed ends all lines so.
                self._line_end = b"\n"
        elif len(self._input):
            if state == "tls-handover":
                raise RemoteProtocolError(INJECTED)
            if state == "leaving":
                raise RemoteProtocolError("something came behind the server's good-bye")
            if self._lines is not None:
                return
            if self._pending:
                self._pass_over_empty_lines()
            elif fault := self._unasked():
                raise fault

    def _unasked(self) -> RemoteProtocolError | None:
        """Return the fault of a server that speaks unasked, if that is what it does."""
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
                self.in_doubt = True
                self._may_be_shifted = self._may_be_shifted or len(self._pending) > 1

    def _hear(self, line: bytes) -> None:
        command = self._pending[0] if self._pending else None
        challenge = isinstance(command, Authenticate) and line[:2] in (b"+", b"+ ")
        if self._trace:
            # A challenge may hold what comes from a secret.
            self._trace("<", b"+ *" if challenge else self._hidden.clean(line))
        if challenge:
            self._hear_challenge(line)
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
            self.timestamp = timestamp_of(text)
            self._events.append(Greeted(self.timestamp, text))
        else:
            self._dialogue.turned_away()
            code, text = split_code(text)
            self._events.append(TurnedAway(code, text))

    def _hear_challenge(self, line: bytes) -> None:
        if self._initial_response is not None:
            self._say(encode_base64(self._initial_response), b"*")
            self._initial_response = None
            return
        if self._challenged:
            raise RemoteProtocolError("a challenge before the last one was answered")
        if self._cancelled:
            raise RemoteProtocolError("a challenge after AUTH was cancelled")
        try:
            challenge = decode_base64(line[1:].strip(b" "))
        except ValueError:
            # Some say "+ PLAIN supported": this mechanism cannot go on, another one may.
            self._cancelled = True
            self._say(b"*", b"*")
            return
        self._challenged = True
        self._events.append(Challenge(challenge))

    def _begin_answer(self, command: Command, text: bytes) -> None:
        """Read what stands behind +OK; what has more lines is over when they are."""
        digits = self._limits.digits
        match command:
            case Retrieve(message) | Top(message):
                self._text = DotReader(self._line_end)
                self._events.append(BodyStart(message))
                return
            case Capa() | List(None) | Uidl(None) | Lang(None) | Envelope():
                self._lines = []
                self._listed = self._listed_octets = 0
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

    def _hear_listed(self, line: bytes) -> None:
        """Take one line of a list; a lone dot ends it."""
        if line == b".":
            self._end_list()
            return
        if line.startswith(b"."):
            line = line[1:]
        self._listed += 1
        match self._pending[0]:
            case List() | Uidl() as command:
                self._take_listed(command, line)
            case Capa():
                self._count(self._limits.capabilities, "capabilities")
                if self._lines is not None:
                    self._lines.append(line)
            case _:
                self._count(self._limits.reply_lines, "lines of a reply")
                self._events.append(Line(line))

    def _read_listing(self) -> bool:
        """Take all lines of a listing that are there, of which there may be a million.

        Return whether there were any.
        """
        command = self._pending[0] if self._lines is not None else None
        if not isinstance(command, List | Uidl):
            return False
        block = self._input.take_lines(LISTING_BLOCK)
        lines = block.split(b"\n")
        last = len(lines) - 1
        for place in range(last):
            line = lines[place].removesuffix(b"\r")
            if line == b".":
                self._input.put_back(b"\n".join(lines[place + 1 :]))
                self._end_list()
                break
            self._listed += 1
            try:
                if len(lines[place]) > self._limits.reply_line:
                    raise LimitExceeded("reply line", self._limits.reply_line)
                self._take_listed(command, line.removeprefix(b"."))
            except RemoteProtocolError as fault:
                # What came before is handed out first.
                self._late_fault = fault
                break
        return bool(block)

    def _take_listed(self, command: List | Uidl, line: bytes) -> None:
        """Take one line of a listing. One that says nothing of use is about no other message."""
        what = describe(command)
        self._count(self._limits.listing_lines, f"lines of {what}")
        self._listed_octets += len(line)
        if self._listed_octets > self._limits.listing_octets:
            raise LimitExceeded(f"octets of {what}", self._limits.listing_octets)
        if split_status(line):
            raise RemoteProtocolError(f"a reply inside the answer to {what}", line=line)
        digits = self._limits.digits
        if isinstance(command, List):
            if size := listed_size(line, digits):
                self._events.append(Listed(*size))
            return
        try:
            self._events.append(UniqueId(*unique_id(line, digits)))
        except RemoteProtocolError:
            # This message has no id that it could be remembered by.
            return

    def _count(self, limit: int, name: str) -> None:
        if self._listed > limit:
            raise LimitExceeded(name, limit)

    def _end_list(self) -> None:
        if isinstance(self._pending[0], Capa):
            words = [line.partition(b" ") for line in self._lines or []]
            self.capabilities = {name.upper(): rest.strip() for name, _, rest in words if name}
            self._events.append(Capabilities(tuple(self.capabilities.items())))
        self._lines = None
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
            self.in_doubt = self._may_be_shifted = False
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
        self.capabilities = {}
        if len(self._input):
            raise RemoteProtocolError(INJECTED)
        self._events.append(TlsReady(command))

    def _end_login(self, good: bool) -> None:
        self._challenged = self._cancelled = False
        self._initial_response = None
        if good:
            # What a server can do may differ from here on (RFC 2449, section 5).
            self._hidden.login_is_over()
            self._dialogue.login_granted()
        else:
            self._dialogue.login_refused()

    def _at_end(self) -> Event | NeedData:
        state = self._facts.state
        if state == "closed":
            return NEED_DATA
        if self._text is not None:
            raise ConnectionLost(f"connection closed inside message {describe(self._pending[0])}")
        if self._pending:
            first, *more = self._pending
            others = f" and {len(more)} more were" if more else " was"
            raise ConnectionLost(f"connection closed while {describe(first)}{others} unanswered")
        if state == "greeting":
            start = self._input.head(80)
            raise ConnectionLost(f"connection closed before the greeting{looks_like(start)}")
        self._dialogue.closed()
        return Closed()
