"""A POP3 server without I/O: bytes in, commands out; events in, bytes out (RFC 1939).

The machine itself replies -ERR to a command that is malformed or not allowed in the current state.
It returns one command at a time, and the next only after a reply to it was sent. The caller carries
out the commands on a maildrop.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..dots import DotWriter
from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import Tap
from ..roles import Server
from ..sasl.exchange import (
    Authenticate,
    Challenge,
)
from . import server_states as states
from .command_lines import VERBS, BadSyntax, read_command
from .commands import (
    Apop,
    Capa,
    Command,
    Envelope,
    Heard,
    Lang,
    Last,
    List,
    Pass,
    Retrieve,
    StartTls,
    Stat,
    Top,
    Uidl,
    User,
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
    ListedBlock,
    ResponseCode,
    TlsReady,
    TurnedAway,
    UniqueId,
    UniqueIdBlock,
)
from .server_states import Dialogue

ListEvent = Capabilities | Listed | UniqueId | ListedBlock | UniqueIdBlock | Line


class Pop3Server(Server[Event, Heard | Closed, Dialogue]):
    """A POP3 server without a socket.

    The first object to ``send`` is Greeted or TurnedAway. The reply to a command consists of its
    events, such as Listed, followed by Completed. The first event of a multi-line reply also sends
    the +OK line.
    """

    NOT_READING = (states.start, states.tls_handover, states.leaving)
    HANDOVER = states.tls_handover
    END = Closed()

    def __init__(self, limits: Limits = DEFAULT_LIMITS, tap: Tap | None = None) -> None:
        super().__init__(states.table, limits, tap)
        self._command: Command | None = None
        self._facts_said = b""
        self._listing = False
        self._text: DotWriter | None = None

    @property
    def outstanding(self) -> Sequence[Command]:
        """The command that waits for its reply, if any."""
        return (self._command,) if self._command else ()

    def _owes_answer(self) -> bool:
        return self._command is not None and not self._challenged

    # Receiving

    def _read(self) -> Heard | Closed | None:
        while self._listens:
            limit = self._limits.sasl if self._challenged else self._limits.command_line
            line = self._input.take_line(limit, "command line")
            if line is None:
                return None
            heard = self._hear_response(line) if self._challenged else self._hear(line)
            if heard:
                return heard
        return None

    @property
    def _listens(self) -> bool:
        """Whether a line may be read now: no command waits for its reply."""
        return not self._at(*self.NOT_READING) and not self._owes_answer()

    def _hear(self, line: bytes) -> Command | None:
        if self._line_tap:
            self._line_tap.line("<", redacted_line(line))
        try:
            command = read_command(line)
        except BadSyntax as problem:
            self._say(b"-ERR " + str(problem).encode("ascii"))
            return None
        if not self._moves(states.HEARD.get(type(command), Dialogue.maildrop_command_heard)):
            self._say(b"-ERR not allowed in state " + self.state.encode("ascii"))
            return None
        self._command = command
        return command

    # Sending

    def _send(self, event: Event) -> None:
        match event:
            case Greeted(timestamp, text):
                line = status(True, joined(text, timestamp or b""), None)
                self._advance(Dialogue.welcomed)
                self._say(line)
            case TurnedAway(code, text):
                line = status(False, text, code)
                self._advance(Dialogue.turned_away)
                self._say(line)
            case Challenge(data):
                self._challenge(self._command, b"+", data)
            case BodyStart():
                self._begin_text()
            case BodyChunk(data):
                if self._text is None:
                    raise LocalProtocolError("BodyChunk without BodyStart")
                self._outbox.put(self._text.feed(data))
            case TlsReady():
                self._grant_tls()
            case Completed():
                self._complete(event)
            case Counted(count, size):
                self._note((Stat,), b"%d %d" % (count, size))
            case LastRead(number):
                self._note((Last,), b"%d" % number)
            case Closed():
                raise LocalProtocolError("Closed cannot be sent")
            case _:
                self._say_listed(event)

    def _begin_text(self) -> None:
        if not isinstance(self._command, Retrieve | Top) or self._text:
            raise LocalProtocolError("no RETR or TOP is waiting for BodyStart")
        self._text = DotWriter()
        self._say(b"+OK")

    def _note(self, commands: tuple[type, ...], facts: bytes) -> None:
        """Keep the data to send after +OK, if the current command is one of these."""
        if not isinstance(self._command, commands) or self._facts_said:
            raise LocalProtocolError("this event is not a reply to the current command")
        self._facts_said = one_line(facts)

    def _say_listed(self, event: ListEvent) -> None:
        """Send one line of a listing, or keep the data about a single message."""
        match event, self._command:
            case Listed(number, size), List(None):
                lines = [b"%d %d" % (number, size)]
            case UniqueId(number, uid), Uidl(None):
                lines = [b"%d %b" % (number, uid)]
            case ListedBlock(numbers, sizes), List(None):
                lines = [b"%d %d" % line for line in zip(numbers, sizes, strict=True)]
            case UniqueIdBlock(numbers, uids), Uidl(None):
                lines = [b"%d %b" % line for line in zip(numbers, uids, strict=True)]
            case Capabilities(names), Capa():
                lines = [joined(*pair) for pair in names]
            case Line(text), Lang(None) | Envelope():
                lines = [text]
            case Listed(number, size), _:
                self._note((List,), b"%d %d" % (number, size))
                return
            case UniqueId(number, uid), _:
                self._note((Uidl,), b"%d %b" % (number, uid))
                return
            case _:
                raise LocalProtocolError("this event is not a reply to the current command")
        stuffed = [b"." * line.startswith(b".") + one_line(line) for line in lines]
        self._begin_list()
        for line in stuffed:
            self._say(line)

    def _begin_list(self) -> None:
        if not self._listing:
            self._listing = True
            self._say(b"+OK")

    def _grant_tls(self) -> None:
        if not isinstance(self._command, StartTls):
            raise LocalProtocolError("no STLS is waiting for a reply")
        self._advance(Dialogue.start_tls_granted)
        self._command = None
        self._say(b"+OK begin TLS now")
        self._input.clear()

    def _complete(self, event: Completed) -> None:
        command = self._command
        if command is None:
            raise LocalProtocolError("no command is waiting for a reply")
        self._check_whole(command, event.positive)
        facts = self._facts_said if event.positive else b""
        reply = status(event.positive, joined(facts, event.text), event.code)
        self._conclude(command, event.positive)
        if self._text:
            self._outbox.put(self._text.finish())
        elif event.positive and is_list(command):
            self._begin_list()
            self._say(b".")
        else:
            self._say(reply)
        self._command = self._text = None
        self._listing = self._challenged = False
        self._facts_said = b""

    def _check_whole(self, command: Command, positive: bool) -> None:
        """Raise LocalProtocolError if Completed does not fit the events sent before it."""
        if not positive and (self._listing or self._text):
            raise LocalProtocolError("+OK has already been sent")
        match command:
            case StartTls() if positive:
                raise LocalProtocolError("send TlsReady instead of a positive reply to STLS")
            case Retrieve() | Top():
                missing = self._text is None
            case Stat() | Last() | List(int()) | Uidl(int()):
                missing = not self._facts_said
            case _:
                missing = False
        if positive and missing:
            raise LocalProtocolError("positive reply without the requested data")

    def _conclude(self, command: Command, good: bool) -> None:
        """Update the state after the reply to a command."""
        match command:
            case User() if good:
                self._advance(Dialogue.user_taken)
            case Pass() | Apop() | Authenticate():
                self._advance(Dialogue.login_granted if good else Dialogue.login_refused)
            case _:
                pass


def is_list(command: Command) -> bool:
    """Whether the positive reply to a command is a listing, which may be empty."""
    match command:
        case Capa() | List(None) | Uidl(None) | Lang(None) | Envelope():
            return True
        case _:
            return False


def status(positive: bool, text: bytes, code: ResponseCode | None) -> bytes:
    """Return a status line. Raises LocalProtocolError if it would be more than one line."""
    bracketed = b"[%b]" % code.value if code else b""
    return one_line(joined(b"+OK" if positive else b"-ERR", bracketed, text))


def joined(*words: bytes) -> bytes:
    """Return the words that are not empty, separated by spaces."""
    return b" ".join(word for word in words if word)


def one_line(line: bytes) -> bytes:
    """Return the line. Raises LocalProtocolError if it contains a line ending."""
    if b"\r" in line or b"\n" in line:
        raise LocalProtocolError("the line contains a line ending")
    return line


def redacted_line(line: bytes) -> bytes:
    """Return a command line for a trace, without anything that may be a password.

    A line without a known keyword is hidden too: it may be a response to a challenge.
    """
    verb, blank, rest = line.partition(b" ")
    match verb.upper():
        case b"PASS" | b"APOP":
            return verb + blank + b"*" * bool(rest)
        case b"AUTH":
            mechanism, blank_, initial = rest.partition(b" ")
            return verb + blank + mechanism + blank_ + b"*" * bool(initial)
        case known if known in VERBS:
            return line
        case _:
            return b"*" * bool(line)
