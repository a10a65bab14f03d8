"""IMAP as the server sees it: bytes in, commands out; events in, bytes out (RFC 3501).

The machine asks for literals, answers what is not allowed now or cannot be read with BAD, and
hands out one command at a time: the next one when that has been answered. What a command means
for a mailbox is its user's business. How commands are read is in command_lines.py, how responses
are written in server_lines.py, what is allowed when in server_states.py.

Some commands are conversations:

* Authenticate may be answered with Challenge, each of which brings Respond or
  CancelAuthentication, and at last with Completed.
* Append is answered with ReadyForText, which brings its octets as AppendChunk and then AppendEnd,
  or with Completed at once: then the message is not wanted, and dropped where it comes anyway.
* Idle is answered with Idling, then news may be said until Done comes, which Completed answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import Trace
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
"""States in which a command may come; in others, what comes belongs to the last one."""


class ImapServer(Server[Event, Heard | Closed, Dialogue]):
    """An IMAP server without a socket. ``send`` begins with Greeted or SaidBye.

    Completed and TlsReady answer the oldest command. A FETCH response is BodyStart, BodyChunk and
    BodyEnd for each text, closed by Fetched; or Fetched alone.
    """

    DEAF = (states.start, states.leaving, states.tls_handover)
    HANDOVER = states.tls_handover
    END = Closed()

    def __init__(self, limits: Limits = DEFAULT_LIMITS, trace: Trace | None = None) -> None:
        super().__init__(states.table, limits, trace)
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
        """The command that has not been answered, if any."""
        return (self._command,) if self._command else ()

    @property
    def unsent(self) -> int:
        """How many bytes ``data_to_send`` would hand over now, before they are compressed."""
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

    # Hearing

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
        """Whether anything may be heard now: nothing waits for our answer."""
        if self._at(*self.DEAF):
            return False
        return self._command is None or self._in_conversation

    @property
    def _in_conversation(self) -> bool:
        return self._challenged or not self._at(*BETWEEN_COMMANDS)

    def _next_heard(self) -> list[Heard] | None:
        """Read what comes next; None when more has to come, [] when it was answered here."""
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
        if self._trace:
            self._trace("<", line)
        if line.upper() != b"DONE":
            raise RemoteProtocolError("something else than DONE came while idle (RFC 2177)")
        self._dialogue.done_heard()
        return [Done()]

    def _read_message(self, message: IncomingMessage) -> list[Heard] | None:
        """Read a piece of the message that APPEND brings, or the end of the command.

        One that comes although its APPEND was refused is dropped (RFC 7888, section 4).
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
        """Ask for a literal; one that is too large is refused before it comes (RFC 7888, 4)."""
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
        """Return the APPEND whose message a literal is, and its tag; None for other literals."""
        tag, verb, rest = split_command(self._parts.with_line(text))
        if verb != b"APPEND" or not is_tag(tag):
            return None
        binary = line[: line.rfind(b"{")].endswith(b"~")
        try:
            append = read_append(rest, size, binary=binary)
        except BadSyntax:
            # The literal is read, and the whole command answered with BAD.
            return None
        return (tag, append) if append else None

    def _begin_append(self, tag: bytes, append: Append, *, waits: bool) -> list[Heard]:
        self._parts.forget()
        if self._trace:
            self._trace("<", b"%b APPEND {%d}" % (tag, append.size))
        message = IncomingMessage(append.size, self._limits, waits=waits)
        if self._is_in_order(tag, append, Dialogue.mailbox_command_heard):
            self._message = message
            return [append]
        self._message = None if waits else message
        return []

    def _interpret(self, parts: list[Part]) -> list[Heard]:
        tag, verb, rest = split_command(parts)
        if self._trace:
            self._trace("<", redacted_line(parts[0]))
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
        """Tell the dialogue of a command; answer it here when it is not to be had."""
        if self._deflater and isinstance(command, Compress):
            self._say(b"%b NO [COMPRESSIONACTIVE] both directions are compressed already" % tag)
            return False
        if not self._moves(upon):
            self._say(b"%b BAD not allowed in state %b" % (tag, self.state.encode("ascii")))
            return False
        self._tag, self._command = tag, command
        return True

    # Saying

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
        """Refuse what would stand inside a text or a FETCH response and is no part of it."""
        if self._text_left is not None:
            fits = isinstance(event, BodyChunk | BodyEnd)
        elif self._inside_fetch:
            fits = isinstance(event, BodyStart | Fetched)
        else:
            fits = not isinstance(event, BodyChunk | BodyEnd)
        if not fits:
            raise LocalProtocolError(f"{type(event).__name__} does not belong here")

    def _send_fetch(self, event: BodyStart | BodyChunk | BodyEnd | Fetched) -> None:
        match event:
            case BodyStart(number, uid, _, size):
                opener = text_opener(event)
                self._put_item(number, b"" if self._said_uid or uid is None else b"UID %d" % uid)
                self._said_uid = self._said_uid or uid is not None
                self._put_item(number, opener)
                self._text_left = size
            case BodyChunk(data):
                self._count_text(len(data))
                self._outbox.put(data)
            case BodyEnd():
                if self._text_left:
                    raise LocalProtocolError(f"{self._text_left} octets of a text are missing")
                self._text_left = None
            case Fetched(number):
                items = self._writer.fetch_items(event, with_uid=not self._said_uid)
                if not items and not self._inside_fetch:
                    raise LocalProtocolError("a FETCH response without any item")
                for item in items:
                    self._put_item(number, item)
                self._outbox.put(b")\r\n")
                self._inside_fetch = self._said_uid = False

    def _count_text(self, octets: int) -> None:
        if self._text_left is None or octets > self._text_left:
            raise LocalProtocolError("a text is longer than was announced")
        self._text_left -= octets

    def _put_item(self, number: int, item: bytes) -> None:
        """Add an item to a FETCH response; the first one opens it."""
        if item:
            before = b" " if self._inside_fetch else b"* %d FETCH (" % number
            self._inside_fetch = True
            self._outbox.put(before + item)

    def _go_on(self, event: ReadyForText | Idling) -> None:
        """Say the ``+`` that lets the client go on with its command."""
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
                raise LocalProtocolError(f"nobody waits for {type(event).__name__}")

    def _grant_tls(self) -> None:
        if not isinstance(self._command, StartTls):
            raise LocalProtocolError("nobody asked for TLS")
        self._complete(Condition.OK, None, b"begin TLS now")
        self._input.clear()
        self._advance(Dialogue.start_tls_granted)

    def _complete(self, condition: Condition, code: Code | None, text: bytes) -> None:
        command = self._command
        if command is None or (self._in_conversation and not self._at(*self.DEAF)):
            raise LocalProtocolError("no command waits for a reply")
        line = b"%b %b %b%b" % (self._tag, condition.value, bracketed(code), text or b"done")
        checked(line)
        offered = self._message if self._message and self._message.offered else None
        if condition is Condition.OK and offered:
            raise LocalProtocolError("the message of this APPEND has not come")
        if condition is Condition.OK and type(command) in states.GRANTED:
            self._advance(states.GRANTED[type(command)])
        if offered and offered.waits:
            # The client was told to wait and sends nothing now. A message that was sent without
            # asking is on its way.
            self._message = None
        self._command, self._tag = None, b""
        self._say(line)
        if isinstance(command, Compress) and condition is Condition.OK:
            self._compress()

    def _compress(self) -> None:
        """Deflate both directions from here on; the OK itself is the last in clear."""
        from .deflate import Deflater, Inflater  # zlib is loaded where it is used

        self._in_clear = self._outbox.take()
        self._deflater, self._inflater = Deflater(), Inflater()
        self._inflater.feed(self._input.take(len(self._input)))


def checked(line: bytes) -> bytes:
    """Return a line. Raises LocalProtocolError for one with a line end in it."""
    if b"\r" in line or b"\n" in line:
        raise LocalProtocolError("a line with a line end in it")
    return line
