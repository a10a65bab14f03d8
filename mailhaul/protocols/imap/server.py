"""IMAP as the server sees it: bytes in, commands out; events in, bytes out (RFC 3501).

The machine asks for literals, answers what is not allowed now or cannot be read with BAD, and
hands out one command at a time: the next one when that has been answered. What a command means
for a mailbox is its user's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from automat import NoTransition

from ..errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from ..input import InputBuffer
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import NEED_DATA, NeedData, Outbox, Trace
from .command_lines import BadSyntax, read_command
from .commands import (
    Capability,
    CloseMailbox,
    Command,
    Login,
    Logout,
    Noop,
    Select,
    StartTls,
)
from .events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
    Capabilities,
    Closed,
    Code,
    Completed,
    Condition,
    Event,
    Exists,
    Expunged,
    Fetched,
    Flags,
    Found,
    Greeted,
    Recent,
    SaidBye,
    Status,
    TlsReady,
    Unknown,
)
from .responses import split_literal
from .server_states import Facts, new_dialogue
from .values import Part, Text

HEARD: dict[type, str] = {
    Capability: "question_heard",
    Noop: "question_heard",
    StartTls: "start_tls_heard",
    Login: "login_heard",
    Select: "select_heard",
    Logout: "logout_heard",
}
"""The input of the dialogue that each command is; all others are commands on messages."""
GRANTED: dict[type, str] = {
    Login: "login_granted",
    Select: "select_granted",
    CloseMailbox: "close_granted",
}
"""The input that an OK to these commands is."""


class ImapServer:
    """An IMAP server without a socket. ``send`` begins with Greeted or SaidBye."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS, trace: Trace | None = None) -> None:
        self._limits = limits
        self._trace = trace
        self._facts = Facts()
        self._dialogue = new_dialogue(self._facts)
        self._input = InputBuffer()
        self._outbox = Outbox()
        self._pending: deque[tuple[bytes, Command]] = deque()
        self._parts: list[Part] = []
        self._length = 0
        self._literal_left = 0
        self._literal: bytearray | None = None
        self._inside_fetch = False
        self._said_uid = False
        self._text_left: int | None = None
        self._ended = False
        self._told_end = False
        self._fault: RemoteProtocolError | None = None

    @property
    def state(self) -> str:
        """Where the dialogue stands: a state of server_states.py, or ``error``."""
        return "error" if self._fault else self._facts.state

    @property
    def outstanding(self) -> Sequence[Command]:
        """The command that has not been answered, if any."""
        return tuple(command for _, command in self._pending)

    @property
    def unsent(self) -> int:
        """How many bytes ``data_to_send`` would hand over now."""
        return self._outbox.size

    def receive_data(self, data: bytes) -> None:
        """Take bytes that the client sent. Behind STARTTLS they are dropped, not obeyed."""
        if self._facts.state != "tls-handover":
            self._input.append(data)

    def receive_eof(self) -> None:
        """Take note that the client will send no more."""
        self._ended = True

    def data_to_send(self) -> list[bytes]:
        """Hand over, once, the bytes that are due to the client."""
        return self._outbox.take()

    def next_event(self) -> Command | Closed | NeedData:
        """Return the next command, Closed at the end, or NEED_DATA.

        Raises RemoteProtocolError for what no server should bear, and again ever after.
        """
        if self._fault:
            raise self._fault
        try:
            return self._read()
        except RemoteProtocolError as fault:
            fault.state = self._facts.state
            self._fault = fault
            raise

    def tls_started(self) -> None:
        """The handshake is over."""
        self._advance("tls_started")

    # Hearing

    def _read(self) -> Command | Closed | NeedData:
        while not self._pending and self._facts.state not in {"start", "leaving", "tls-handover"}:
            command = self._next_command()
            if command is None:
                break
            if command:
                return command[0]
        if self._ended and not self._pending and not self._told_end:
            self._told_end = True
            return Closed()
        return NEED_DATA

    def _next_command(self) -> list[Command] | None:
        """Read one command line; None when more has to come, [] when it was answered here."""
        if self._literal is not None and not self._collect(self._literal):
            return None
        line = self._input.take_line(self._limits.response_line, "command line")
        if line is None:
            return None
        text, size = split_literal(line, self._limits.digits)
        self._length += len(line) + (size or 0)
        if self._length > self._limits.response_line + self._limits.literal:
            raise LimitExceeded("command", self._limits.response_line + self._limits.literal)
        if size is not None:
            self._begin_literal(text, size, at_once=line.endswith(b"+}"))
            return []
        parts: list[Part] = [*self._parts, text]
        self._parts = []
        self._length = 0
        return self._interpret(parts)

    def _begin_literal(self, text: bytes, size: int, *, at_once: bool) -> None:
        if size > self._limits.literal:
            raise LimitExceeded("literal", self._limits.literal)
        self._parts.append(text)
        self._literal, self._literal_left = bytearray(), size
        if not at_once:
            self._put(b"+ go ahead")

    def _collect(self, literal: bytearray) -> bool:
        if self._literal_left:
            block = self._input.take(self._literal_left)
            literal += block
            self._literal_left -= len(block)
        if self._literal_left:
            return False
        self._parts.append(Text(literal))
        self._literal = None
        return True

    def _interpret(self, parts: list[Part]) -> list[Command]:
        first = parts[0]
        line = first if isinstance(first, bytes) else b""
        tag, _, rest = line.partition(b" ")
        verb, _, arguments = rest.partition(b" ")
        verb = verb.upper()
        if self._trace:
            self._trace("<", shown(line))
        if not tag or not verb or any(byte in b'+*(){%"\\' for byte in tag):
            self._put(b"* BAD a command has a tag and a name")
            return []
        try:
            command = read_command(verb, [arguments, *parts[1:]])
        except BadSyntax as problem:
            self._put(b"%b BAD %b" % (tag, str(problem).encode("ascii")))
            return []
        try:
            getattr(self._dialogue, HEARD.get(type(command), "message_command_heard"))()
        except NoTransition:
            self._put(b"%b BAD not allowed in state %b" % (tag, self._facts.state.encode()))
            return []
        self._pending.append((tag, command))
        return [command]

    # Saying

    def send(self, event: Event) -> None:
        """Say something to the client; Completed and TlsReady answer the oldest command.

        A FETCH response is BodyStart, BodyChunk and BodyEnd for each text, closed by Fetched;
        or Fetched alone. Raises LocalProtocolError for what may not be said now.
        """
        self._check_place(event)
        match event:
            case BodyStart() | BodyChunk() | BodyEnd() | Fetched():
                self._send_fetch(event)
            case Completed(_, condition, code, text):
                self._complete(condition, code, text)
            case TlsReady():
                self._complete(Condition.OK, None, b"begin TLS now")
                self._input.clear()
                self._advance("start_tls_granted")
            case Greeted(preauthenticated, code, text):
                self._advance("preauthenticated" if preauthenticated else "greeted")
                word = b"PREAUTH" if preauthenticated else b"OK"
                self._put(b"* %b %b%b" % (word, bracketed(code), text))
            case SaidBye(code, text):
                self._advance("said_bye")
                self._put(b"* BYE %b%b" % (bracketed(code), text))
            case _:
                self._put(b"* " + untagged(event))

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
            case BodyStart(number, uid, section, size, old_name):
                self._put_item(number, b"" if self._said_uid or uid is None else b"UID %d" % uid)
                self._said_uid = self._said_uid or uid is not None
                name = old_name or b"BODY[%b]" % section
                self._put_item(number, b"%b {%d}\r\n" % (name, size))
                self._text_left = size
            case BodyChunk(data):
                self._count_text(len(data))
                self._outbox.put(data)
            case BodyEnd():
                if self._text_left:
                    raise LocalProtocolError(f"{self._text_left} octets of a text are missing")
                self._text_left = None
            case Fetched(number):
                items = fetch_items_of(event, with_uid=not self._said_uid)
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

    def _complete(self, condition: Condition, code: Code | None, text: bytes) -> None:
        if not self._pending:
            raise LocalProtocolError("no command waits for a reply")
        tag, command = self._pending[0]
        if condition is Condition.OK and type(command) in GRANTED:
            self._advance(GRANTED[type(command)])
        self._pending.popleft()
        self._put(b"%b %b %b%b" % (tag, condition.value, bracketed(code), text or b"done"))

    def _advance(self, name: str) -> None:
        try:
            getattr(self._dialogue, name)()
        except NoTransition:
            raise LocalProtocolError(f"{name} is not possible in state {self.state}") from None

    def _put(self, line: bytes) -> None:
        if self._trace:
            self._trace(">", line)
        self._outbox.put(line + b"\r\n")


def shown(line: bytes) -> bytes:
    """Return a command line as a trace may show it: what might be a password is left out."""
    for verb in (b"LOGIN", b"AUTHENTICATE"):
        before, found, _ = line.upper().partition(verb)
        if found:
            return line[: len(before)] + verb + b" *"
    return line


def bracketed(code: Code | None) -> bytes:
    """Return a response code as it stands before the text, or b""."""
    if code is None:
        return b""
    arguments = b" " + code.arguments if code.arguments else b""
    return b"[%b%b] " % (code.name, arguments)


def fetch_items_of(event: Fetched, *, with_uid: bool) -> list[bytes]:
    """Return the items of a FETCH response that are no message text."""
    items: list[bytes] = []
    if event.uid is not None and with_uid:
        items.append(b"UID %d" % event.uid)
    if event.size is not None:
        items.append(b"RFC822.SIZE %d" % event.size)
    if event.flags is not None:
        items.append(b"FLAGS (%b)" % b" ".join(event.flags))
    if event.internal_date is not None:
        items.append(b'INTERNALDATE "%b"' % event.internal_date)
    return items


def untagged(event: Event) -> bytes:
    """Return an untagged response, without its star."""
    match event:
        case Capabilities(names):
            return b"CAPABILITY " + b" ".join(sorted(names, key=lambda n: (n != b"IMAP4REV1", n)))
        case Status(condition, code, text):
            return b"%b %b%b" % (condition.value, bracketed(code), text)
        case Flags(names):
            return b"FLAGS (%b)" % b" ".join(names)
        case Exists(count):
            return b"%d EXISTS" % count
        case Recent(count):
            return b"%d RECENT" % count
        case Expunged(number):
            return b"%d EXPUNGE" % number
        case Found(uids):
            return b" ".join([b"SEARCH", *(b"%d" % uid for uid in uids)])
        case Unknown(name):
            return name
        case _:
            raise LocalProtocolError(f"{type(event).__name__} is not an untagged response")
