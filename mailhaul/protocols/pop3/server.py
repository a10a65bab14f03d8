"""POP3 as the server sees it: bytes in, commands out; events in, bytes out (RFC 1939).

The machine answers what is not allowed now or cannot be read with -ERR, and hands out one command
at a time: the next one when that has been answered. What a command means for a maildrop is its
user's business.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..dots import DotWriter
from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import Trace
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
    ResponseCode,
    TlsReady,
    TurnedAway,
    UniqueId,
)
from .server_states import Dialogue

ListEvent = Capabilities | Listed | UniqueId | Line


class Pop3Server(Server[Event, Heard | Closed, Dialogue]):
    """A POP3 server without a socket. ``send`` begins with Greeted or TurnedAway.

    The answer to a command is its events and then Completed; an answer of several lines begins
    with the first of them.
    """

    DEAF = (states.start, states.tls_handover, states.leaving)
    HANDOVER = states.tls_handover
    END = Closed()

    def __init__(self, limits: Limits = DEFAULT_LIMITS, trace: Trace | None = None) -> None:
        super().__init__(states.table, limits, trace)
        self._command: Command | None = None
        self._facts_said = b""
        self._listing = False
        self._text: DotWriter | None = None

    @property
    def outstanding(self) -> Sequence[Command]:
        """The command that has not been answered, if any."""
        return (self._command,) if self._command else ()

    def _owes_answer(self) -> bool:
        return self._command is not None and not self._challenged

    # Hearing

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
        """Whether a line may be taken now: nothing waits for our answer."""
        return not self._at(*self.DEAF) and not self._owes_answer()

    def _hear(self, line: bytes) -> Command | None:
        if self._trace:
            self._trace("<", shown(line))
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

    # Saying

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
                    raise LocalProtocolError("no text has begun")
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
                raise LocalProtocolError("only a peer closes")
            case _:
                self._say_listed(event)

    def _begin_text(self) -> None:
        if not isinstance(self._command, Retrieve | Top) or self._text:
            raise LocalProtocolError("nobody asked for a text")
        self._text = DotWriter()
        self._say(b"+OK")

    def _note(self, commands: tuple[type, ...], facts: bytes) -> None:
        """Keep what stands behind the +OK of these commands."""
        if not isinstance(self._command, commands) or self._facts_said:
            raise LocalProtocolError("this is no answer to the command")
        self._facts_said = one_line(facts)

    def _say_listed(self, event: ListEvent) -> None:
        """Say one line of a list, or what a question about one message asks for."""
        match event, self._command:
            case Listed(number, size), List(None):
                lines = [b"%d %d" % (number, size)]
            case UniqueId(number, uid), Uidl(None):
                lines = [b"%d %b" % (number, uid)]
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
                raise LocalProtocolError("this is no answer to the command")
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
            raise LocalProtocolError("nobody asked for TLS")
        self._advance(Dialogue.start_tls_granted)
        self._command = None
        self._say(b"+OK begin TLS now")
        self._input.clear()

    def _complete(self, event: Completed) -> None:
        command = self._command
        if command is None:
            raise LocalProtocolError("no command waits for a reply")
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
        """Refuse an end that does not go with what has been said of the answer."""
        if not positive and (self._listing or self._text):
            raise LocalProtocolError("+OK has been said already")
        match command:
            case StartTls() if positive:
                raise LocalProtocolError("TlsReady is the good answer to STLS")
            case Retrieve() | Top():
                missing = self._text is None
            case Stat() | Last() | List(int()) | Uidl(int()):
                missing = not self._facts_said
            case _:
                missing = False
        if positive and missing:
            raise LocalProtocolError("what was asked for is missing")

    def _conclude(self, command: Command, good: bool) -> None:
        """Move the dialogue on after commands that change its state."""
        match command:
            case User() if good:
                self._advance(Dialogue.user_taken)
            case Pass() | Apop() | Authenticate():
                self._advance(Dialogue.login_granted if good else Dialogue.login_refused)
            case _:
                pass


def is_list(command: Command) -> bool:
    """Whether the good answer to a command is a list, be it empty."""
    match command:
        case Capa() | List(None) | Uidl(None) | Lang(None) | Envelope():
            return True
        case _:
            return False


def status(positive: bool, text: bytes, code: ResponseCode | None) -> bytes:
    """Return a status line. Raises LocalProtocolError."""
    bracketed = b"[%b]" % code.value if code else b""
    return one_line(joined(b"+OK" if positive else b"-ERR", bracketed, text))


def joined(*words: bytes) -> bytes:
    """Return the words that there are, with blanks between them."""
    return b" ".join(word for word in words if word)


def one_line(line: bytes) -> bytes:
    """Return a line. Raises LocalProtocolError for what would be more than one."""
    if b"\r" in line or b"\n" in line:
        raise LocalProtocolError("a line with a line end in it")
    return line


def shown(line: bytes) -> bytes:
    """Return a command line as a trace may show it: what might be a password is left out.

    That is any line without a verb that we know: it may have been meant for an exchange.
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
