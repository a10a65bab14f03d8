"""An IMAP server without I/O: bytes in, commands out; events in, bytes out (RFC 3501).

The machine itself requests literals, and replies BAD to a command that is malformed or not allowed
in the current state. It returns one command at a time, and the next only after a reply to it was
sent. The caller carries out the commands on mailboxes. command_lines.py parses commands,
server_lines.py writes responses, and server_states.py says which command is allowed in which state.

Some commands have several steps:

* Authenticate: send Challenge, and ``next_event`` returns Respond or CancelAuthentication. Repeat
  this as necessary, then send Completed.
* Append: send ReadyForText, and ``next_event`` returns the message as AppendChunk and then
  AppendEnd; then send Completed. Or refuse the message by Completed alone; it is then dropped even
  if the client sends it.
* Idle: send Idling, then events as they happen. After ``next_event`` has returned Done, send
  Completed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import Tap
from ..roles import Server
from ..sasl.exchange import (
    Challenge,
)
from . import server_states as states
from .arguments import BadSyntax
from .command_lines import read_append, read_command
from .command_parts import CommandParts, is_tag, redacted_line, refuse_controls, split_command
from .commands import (
    Append,
    AppendEnd,
    Command,
    Compress,
    Done,
    Heard,
    Idle,
    StartTls,
)
from .events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
    Closed,
    Code,
    Completed,
    Condition,
    Enabled,
    Event,
    Fetched,
    Greeted,
    Idling,
    ReadyForText,
    SaidBye,
    TlsReady,
)
from .incoming_message import IncomingMessage
from .responses import CHUNK, split_literal
from .server_lines import ResponseWriter, bracketed, text_opener
from .server_states import Dialogue
from .values import Part

if TYPE_CHECKING:
    from .deflate import Deflater, Inflater

BETWEEN_COMMANDS = (states.not_authenticated, states.authenticated, states.selected)
"""States in which a new command is expected. In other states, data belongs to the last command."""


class ImapServer(Server[Event, Heard | Closed, Dialogue]):
    """An IMAP server without a socket.

    The first object to ``send`` is Greeted or SaidBye. Completed or TlsReady is the reply to the
    current command. For a FETCH response, send BodyStart, BodyChunk and BodyEnd for each text, and
    then Fetched.
    """

    NOT_READING = (states.start, states.leaving, states.tls_handover)
    HANDOVER = states.tls_handover
    END = Closed()

    def __init__(self, limits: Limits = DEFAULT_LIMITS, tap: Tap | None = None) -> None:
        super().__init__(states.table, limits, tap)
        self._writer = ResponseWriter()
        self._tag = b""
        self._command: Command | None = None
        self._parts = CommandParts(limits)
        self._message: IncomingMessage | None = None
        self._inside_fetch = False
        self._said_uid = False
        self._text_left: int | None = None
        self._in_clear: list[bytes] = []
        self._inflater: Inflater | None = None
        self._deflater: Deflater | None = None

    @property
    def outstanding(self) -> Sequence[Command]:
        """The command that waits for its reply, if any."""
        return (self._command,) if self._command else ()

    @property
    def unsent(self) -> int:
        """The number of bytes that ``data_to_send`` would return now, before compression."""
        return self._outbox.size + sum(map(len, self._in_clear))

    def _take(self, data: bytes) -> None:
        if self._inflater:
            self._inflater.feed(data)
        else:
            super()._take(data)

    def _hand_over(self) -> list[bytes]:
        pieces = self._outbox.take()
        if self._deflater is None:
            return pieces
        in_clear, self._in_clear = self._in_clear, []
        return in_clear + self._deflater.deflate(pieces)

    def _owes_answer(self) -> bool:
        return self._command is not None and not self._listens

    # Receiving

    def _read(self) -> Heard | Closed | None:
        while self._listens:
            heard = self._next_heard()
            if heard:
                return heard[0]
            if heard is None:
                block = self._inflater.take(CHUNK) if self._inflater else b""
                if not block:
                    return None
                self._input.append(block)
        return None

    @property
    def _listens(self) -> bool:
        """Whether data may be read now: no command waits for its reply."""
        if self._at(*self.NOT_READING):
            return False
        return self._command is None or self._in_conversation

    @property
    def _in_conversation(self) -> bool:
        return self._challenged or not self._at(*BETWEEN_COMMANDS)

    def _next_heard(self) -> list[Heard] | None:
        """Read the next command or part of one.

        Return None if more data is needed, and [] if the machine itself replied to the command.
        """
        if self._challenged:
            line = self._input.take_line(self._limits.sasl, "response")
            return None if line is None else [self._hear_response(line)]
        if self._at(states.idling, states.idling_selected):
            return self._read_done()
        if self._message:
            return self._read_message(self._message)
        return self._read_command()

    def _read_done(self) -> list[Heard] | None:
        line = self._input.take_line(self._limits.response_line, "command line")
        if line is None:
            return None
        if self._line_tap:
            self._line_tap.line("<", line)
        if line.upper() != b"DONE":
            raise RemoteProtocolError("DONE is expected during IDLE (RFC 2177)")
        self._dialogue.done_heard()
        return [Done()]

    def _read_message(self, message: IncomingMessage) -> list[Heard] | None:
        """Read a part of the message of an APPEND, or the end of the command.

        The message of a refused APPEND is dropped (RFC 7888, section 4).
        """
        wanted = self._at(states.receiving, states.receiving_selected)
        part = message.read(self._input)
        if isinstance(part, AppendEnd):
            self._message = None
            if wanted:
                self._dialogue.text_over()
        if part is None:
            return None
        return [part] if wanted else []

    def _read_command(self) -> list[Heard] | None:
        if not self._parts.collect(self._input):
            return None
        line = self._input.take_line(self._limits.response_line, "command line")
        if line is None:
            return None
        text, size = split_literal(line, self._limits.digits)
        at_once = line.endswith(b"+}")
        if size is not None and (append := self._append_of(line, text, size)):
            return self._begin_append(*append, waits=not at_once)
        self._parts.count(len(line) + (size or 0))
        if size is not None:
            self._begin_literal(text, size, at_once=at_once)
            return []
        self._parts.check_length()
        parts = self._parts.with_line(text)
        self._parts.forget()
        return self._interpret(parts)

    def _begin_literal(self, text: bytes, size: int, *, at_once: bool) -> None:
        """Request a literal, or refuse it if it is too large (RFC 7888, section 4)."""
        try:
            self._parts.begin_literal(text, size)
        except LimitExceeded:
            tag = split_command(self._parts.with_line(text))[0]
            if at_once or not is_tag(tag):
                raise
            self._parts.forget()
            self._say(b"%b BAD [TOOBIG] the literal is too large" % tag)
            return
        if not at_once:
            self._say(b"+ go ahead")

    def _append_of(self, line: bytes, text: bytes, size: int) -> tuple[bytes, Append] | None:
        """Return tag and command if the literal is the message of an APPEND, otherwise None."""
        tag, verb, rest = split_command(self._parts.with_line(text))
        if verb != b"APPEND" or not is_tag(tag):
            return None
        binary = line[: line.rfind(b"{")].endswith(b"~")
        try:
            append = read_append(rest, size, binary=binary)
        except BadSyntax:
            # The literal is read; then the reply to the whole command is BAD.
            return None
        return (tag, append) if append else None

    def _begin_append(self, tag: bytes, append: Append, *, waits: bool) -> list[Heard]:
        self._parts.forget()
        if self._line_tap:
            self._line_tap.line("<", b"%b APPEND {%d}" % (tag, append.size))
        message = IncomingMessage(append.size, self._limits, waits=waits)
        if self._is_in_order(tag, append, Dialogue.mailbox_command_heard):
            self._message = message
            return [append]
        self._message = None if waits else message
        return []

    def _interpret(self, parts: list[Part]) -> list[Heard]:
        tag, verb, rest = split_command(parts)
        if self._line_tap:
            self._line_tap.line("<", redacted_line(parts[0]))
        if not is_tag(tag):
            self._say(b"* BAD a command has a tag and a name")
            return []
        try:
            if not verb:
                raise BadSyntax("a command has a tag and a name")
            refuse_controls(parts)
            command = read_command(verb, rest)
        except BadSyntax as problem:
            self._say(b"%b BAD %b" % (tag, str(problem).encode("ascii")))
            return []
        upon = states.HEARD.get(type(command), Dialogue.mailbox_command_heard)
        if verb == b"CHECK":
            upon = Dialogue.message_command_heard
        return [command] if self._is_in_order(tag, command, upon) else []

    def _is_in_order(self, tag: bytes, command: Command, upon: Callable[[Dialogue], None]) -> bool:
        """Return whether a command is allowed now; refuse it if it is not."""
        if self._deflater and isinstance(command, Compress):
            self._say(b"%b NO [COMPRESSIONACTIVE] compression is already active" % tag)
            return False
        if not self._moves(upon):
            self._say(b"%b BAD not allowed in state %b" % (tag, self.state.encode("ascii")))
            return False
        self._tag, self._command = tag, command
        return True

    # Sending

    def _send(self, event: Event) -> None:
        self._check_place(event)
        match event:
            case BodyStart() | BodyChunk() | BodyEnd() | Fetched():
                self._send_fetch(event)
            case Completed(_, condition, code, text):
                self._complete(condition, code, text)
            case Challenge(data):
                self._challenge(self._command, b"+", data)
            case ReadyForText() | Idling():
                self._go_on(event)
            case TlsReady():
                self._grant_tls()
            case Greeted(preauthenticated, code, text):
                word = b"PREAUTH" if preauthenticated else b"OK"
                line = checked(b"* %b %b%b" % (word, bracketed(code), text))
                self._advance(Dialogue.preauthenticated if preauthenticated else Dialogue.greeted)
                self._say(line)
            case SaidBye(code, text):
                line = checked(b"* BYE %b%b" % (bracketed(code), text))
                self._advance(Dialogue.said_bye)
                self._challenged = False
                self._say(line)
            case _:
                self._say(b"* " + self._writer.untagged(event, self._tag))
                if isinstance(event, Enabled) and {b"UTF8=ACCEPT", b"IMAP4REV2"} & event.names:
                    self._writer.utf8 = True

    def _check_place(self, event: Event) -> None:
        """Raise LocalProtocolError for an event that would interrupt a text or FETCH response."""
        if self._text_left is not None:
            fits = isinstance(event, BodyChunk | BodyEnd)
        elif self._inside_fetch:
            fits = isinstance(event, BodyStart | Fetched)
        else:
            fits = not isinstance(event, BodyChunk | BodyEnd)
        if not fits:
            if isinstance(event, BodyChunk | BodyEnd):
                place = "outside a text"
            else:
                place = "inside a FETCH response"
            raise LocalProtocolError(f"{type(event).__name__} is not allowed {place}")

    def _send_fetch(self, event: BodyStart | BodyChunk | BodyEnd | Fetched) -> None:
        match event:
            case BodyStart(number, uid, _, size):
                opener = text_opener(event)
                self._put_item(number, b"" if self._said_uid or uid is None else b"UID %d" % uid)
                self._said_uid = self._said_uid or uid is not None
                if event.message_size is not None:
                    self._put_item(number, b"RFC822.SIZE %d" % event.message_size)
                self._put_item(number, opener)
                self._text_left = size
            case BodyChunk(data):
                self._count_text(len(data))
                self._outbox.put(data)
            case BodyEnd():
                if self._text_left:
                    raise LocalProtocolError(f"the text is {self._text_left} octets too short")
                self._text_left = None
            case Fetched(number):
                items = self._writer.fetch_items(event, with_uid=not self._said_uid)
                if not items and not self._inside_fetch:
                    raise LocalProtocolError("a FETCH response needs at least one item")
                for item in items:
                    self._put_item(number, item)
                self._outbox.put(b")\r\n")
                self._inside_fetch = self._said_uid = False

    def _count_text(self, octets: int) -> None:
        if self._text_left is None or octets > self._text_left:
            raise LocalProtocolError("the text is longer than announced")
        self._text_left -= octets

    def _put_item(self, number: int, item: bytes) -> None:
        """Add an item to a FETCH response; the first one begins the response."""
        if item:
            before = b" " if self._inside_fetch else b"* %d FETCH (" % number
            self._inside_fetch = True
            self._outbox.put(before + item)

    def _go_on(self, event: ReadyForText | Idling) -> None:
        """Send the ``+`` response after which the client continues its command."""
        command = self._command
        match event:
            case ReadyForText() if self._message and self._message.offered:
                self._advance(Dialogue.text_granted)
                self._message.offered = False
                if self._message.waits:
                    self._say(b"+ go ahead")
            case Idling() if isinstance(command, Idle):
                self._advance(Dialogue.idle_granted)
                self._say(b"+ idling")
            case _:
                raise LocalProtocolError(f"no command is waiting for {type(event).__name__}")

    def _grant_tls(self) -> None:
        if not isinstance(self._command, StartTls):
            raise LocalProtocolError("no STARTTLS is waiting for a reply")
        self._complete(Condition.OK, None, b"begin TLS now")
        self._input.clear()
        self._advance(Dialogue.start_tls_granted)

    def _complete(self, condition: Condition, code: Code | None, text: bytes) -> None:
        command = self._command
        if command is None or (self._in_conversation and not self._at(*self.NOT_READING)):
            raise LocalProtocolError("no command is waiting for a reply")
        line = b"%b %b %b%b" % (self._tag, condition.value, bracketed(code), text or b"done")
        checked(line)
        offered = self._message if self._message and self._message.offered else None
        if condition is Condition.OK and offered:
            raise LocalProtocolError("OK to APPEND, but its message has not been requested")
        if condition is Condition.OK and type(command) in states.GRANTED:
            self._advance(states.GRANTED[type(command)])
        if offered and offered.waits:
            # The client waits for a + and will not send the message. Otherwise the message is on
            # its way and must be read.
            self._message = None
        self._command, self._tag = None, b""
        self._say(line)
        if isinstance(command, Compress) and condition is Condition.OK:
            self._compress()

    def _compress(self) -> None:
        """Compress both directions, after the OK, which is not compressed."""
        from .deflate import Deflater, Inflater  # zlib is loaded only when it is used

        self._in_clear = self._outbox.take()
        self._deflater, self._inflater = Deflater(), Inflater()
        self._inflater.feed(self._input.take(len(self._input)))


def checked(line: bytes) -> bytes:
    """Return the line. Raises LocalProtocolError if it contains a line ending."""
    if b"\r" in line or b"\n" in line:
        raise LocalProtocolError("the line contains a line ending")
    return line
