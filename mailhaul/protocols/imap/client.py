"""IMAP as the client sees it: bytes in, events out (RFC 3501).

Which command is allowed when is in client_states.py, how bytes become responses in
responses.py. This module matches replies to commands by their tags and gives every response
its event.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from automat import NoTransition

from ..errors import ConnectionLost, LimitExceeded, LocalProtocolError, RemoteProtocolError
from ..greetings import looks_like
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
from .client_lines import NAMES, describe, encode, goes_along, owed, refuse
from .client_states import Facts, new_dialogue
from .commands import (
    Append,
    AppendChunk,
    Capability,
    CloseMailbox,
    Command,
    Compress,
    Continuation,
    Copy,
    Done,
    Enable,
    Expunge,
    Fetch,
    Id,
    Idle,
    Login,
    Logout,
    Move,
    Noop,
    Search,
    Select,
    StartTls,
    Store,
    UidCopy,
    UidExpunge,
    UidFetch,
    UidMove,
    UidSearch,
    UidStore,
    Unselect,
)
from .events import (
    Capabilities,
    Closed,
    Code,
    Completed,
    Condition,
    Enabled,
    Event,
    Greeted,
    Idling,
    ReadyForText,
    SaidBye,
    Status,
    TlsReady,
)
from .responses import CHUNK, Response, ResponseReader, split_code
from .strings import Abilities, quoted
from .untagged import events_of

if TYPE_CHECKING:
    from .deflate import Deflater, Inflater

CONDITIONS = {condition.value: condition for condition in Condition}
UNTAGGED = re.compile(rb"\*[ \t]+([^ \t]+)[ \t]*")
WORDS = {*CONDITIONS, b"BYE", b"CAPABILITY"}
"""Untagged responses that are the client's own business."""

INPUTS: dict[type, str] = {
    **dict.fromkeys((Capability, Noop, Id), "question"),
    **dict.fromkeys((Login, Authenticate), "login"),
    **dict.fromkeys((CloseMailbox, Unselect), "close"),
    **dict.fromkeys((Search, Fetch, Store, Copy, Move, Expunge), "message_command"),
    **dict.fromkeys((UidSearch, UidFetch, UidStore, UidCopy, UidMove), "message_command"),
    UidExpunge: "message_command",
    StartTls: "start_tls",
    Enable: "enable",
    Select: "select",
    Idle: "idle",
    Logout: "logout",
}
"""The input of the dialogue that each command is when it is sent: NAME_sent.

All others are commands on mailboxes: ``mailbox_command_sent``.
"""

INJECTED = "something came in the clear behind the OK to STARTTLS (RFC 3501, 6.2.1)"

ALONE = (
    *(StartTls, Authenticate, Login, Enable, Compress, Select, CloseMailbox, Unselect, Logout),
)
"""Commands behind which nothing may be sent until they are answered: they change the state."""
CHATTY = (Append, Idle, Authenticate)
"""Commands that are a conversation of their own."""


class ImapClient:
    """An IMAP client without a socket.

    Tags are A0001, A0002 and so on. Commands may be sent before those ahead of them are answered,
    except where the answer decides what may be said next: then ``send`` refuses.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, trace: Trace | None = None) -> None:
        self._limits = limits
        self._trace = trace
        self._facts = Facts()
        self._dialogue = new_dialogue(self._facts)
        self._reader = ResponseReader(limits, trace)
        self._outbox = Outbox()
        self._pending: dict[bytes, Command] = {}
        self._events: deque[Event] = deque()
        self._told: Iterator[Event] = iter(())
        self._abilities = Abilities()
        # A command that is not over when its line is sent: it has literals to be asked for, or
        # is a conversation. Nothing else may be sent meanwhile, and every + belongs to it.
        self._open: Command | None = None
        self._held_back: deque[bytes] = deque()
        self._asked = False
        self._initial_response: bytes | None = None
        self._cancelled = False
        self._secured = False
        self._text_left = 0
        self._inflater: Inflater | None = None
        self._deflater: Deflater | None = None
        self._tags = 0
        self._ended = False
        self._fault: RemoteProtocolError | None = None

    # The face of every machine

    @property
    def state(self) -> str:
        """Where the dialogue stands: a state of client_states.py, or ``error``."""
        return "error" if self._fault else self._facts.state

    @property
    def capabilities(self) -> frozenset[bytes]:
        """What the server last announced, in upper case; empty when it has to be asked."""
        return self._abilities.capabilities

    @property
    def utf8(self) -> bool:
        """Whether mailbox names and quoted strings may be UTF-8 (RFC 6855; RFC 9051)."""
        return self._abilities.utf8

    @property
    def outstanding(self) -> Sequence[Command]:
        """The commands that wait for their reply, oldest first."""
        return tuple(self._pending.values())

    @property
    def unsent(self) -> int:
        """How many bytes ``data_to_send`` would hand over now."""
        return self._outbox.size

    def receive_data(self, data: bytes) -> None:
        """Take bytes that the server sent."""
        if self._inflater:
            self._inflater.feed(data)
        else:
            self._reader.input.append(data)

    def receive_eof(self) -> None:
        """Take note that the server will send no more."""
        self._ended = True

    def data_to_send(self) -> list[bytes]:
        """Hand over, once, the bytes that are due to the server."""
        pieces = self._outbox.take()
        return self._deflater.deflate(pieces) if self._deflater else pieces

    def send(self, command: Command | Continuation) -> None:
        """Send a command, or what the last one waits for.

        Respond and CancelAuthentication answer a Challenge, AppendChunk follows ReadyForText and
        Done follows Idling. Raises LocalProtocolError when it is not allowed now.
        """
        if self._fault or self._ended:
            raise LocalProtocolError("the connection is of no more use")
        match command:
            case Respond(response):
                self._respond(encode_base64(response.reveal()), response.reveal())
            case CancelAuthentication():
                self._respond(b"*")
                self._cancelled = True
            case AppendChunk(data):
                self._send_text(data)
            case Done():
                self._send_done()
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
            if any(isinstance(c, Login | Authenticate) for c in self._pending.values()):
                # Where a password has just been sent, what came may be a part of its echo.
                fault.line = b""
            fault.line = self._reader.hidden.clean_cut(fault.line)
            self._fault = fault
            self._outbox.take()
            if self._events:
                return self._events.popleft()
            raise

    def tls_started(self) -> None:
        """The handshake is over: what the server announced before counts no more (6.2.1)."""
        self._advance("tls_started", None)
        self._secured = True
        self._abilities = Abilities()
        if len(self._reader.input):
            self._fault = RemoteProtocolError(INJECTED, state="tls-handover")

    def assume_authenticated(self) -> None:
        """Go on without a login, on the caller's word that the connection is logged in."""
        self._advance("vouched", None)

    # Sending

    def _send_command(self, command: Command) -> None:
        if type(command) not in NAMES:
            raise LocalProtocolError(f"{type(command).__name__} is no command of IMAP")
        if self._secured and isinstance(command, StartTls):
            raise LocalProtocolError("TLS is spoken already (RFC 3501, 6.2.1)")
        refuse(command, self._abilities)
        wire = encode(command, self._abilities)
        self._check(command)
        self._advance(f"{INPUTS.get(type(command), 'mailbox_command')}_sent", command)
        self._tags += 1
        tag = b"A%04d" % self._tags
        self._pending[tag] = command
        if self._trace:
            self._trace(">", b"%b %b" % (tag, wire.shown))
        first, *rest = wire.pieces
        self._outbox.put(b"%b %b" % (tag, first))
        if rest or isinstance(command, CHATTY):
            self._begin_conversation(command, rest)
        if isinstance(command, Login):
            password = command.password.reveal()
            self._reader.hidden.add(password, quoted(password)[1:-1])

    def _begin_conversation(self, command: Command, held_back: Sequence[bytes]) -> None:
        self._open, self._asked, self._cancelled = command, False, False
        self._held_back = deque(held_back)
        match command:
            case Append(size=size):
                self._text_left = size
                if self._abilities.takes_at_once(size):
                    self._go_on(b"+")
            case Authenticate(_, initial) if initial is not None:
                self._reader.hidden.add(initial.reveal())
                if not goes_along(command, self._abilities):
                    self._initial_response = initial.reveal()
            case _:
                pass

    def _respond(self, line: bytes, plain: bytes = b"") -> None:
        if not self._asked or not isinstance(self._open, Authenticate):
            raise LocalProtocolError("there is no challenge to respond to")
        self._asked = False
        self._reader.hidden.add(plain)
        if self._trace:
            self._trace(">", b"*")
        self._outbox.put(line + b"\r\n")

    def _send_text(self, data: bytes) -> None:
        command = self._open
        if not self._asked or not isinstance(command, Append):
            raise LocalProtocolError("the server has not asked for a message")
        if len(data) > self._text_left:
            raise LocalProtocolError("a message is longer than was announced")
        if b"\0" in data and not command.binary:
            raise LocalProtocolError("NUL can be sent as binary only (RFC 3516, 4.4)")
        self._outbox.put(data)
        self._text_left -= len(data)
        if not self._text_left:
            self._outbox.put(b")\r\n" if command.utf8 else b"\r\n")
            self._asked = False
            if command not in self._pending.values():
                self._open = None

    def _send_done(self) -> None:
        if not self._asked or not isinstance(self._open, Idle):
            raise LocalProtocolError("there is no IDLE to be done with")
        self._advance("done_sent", None)
        self._open, self._asked = None, False
        if self._trace:
            self._trace(">", b"DONE")
        self._outbox.put(b"DONE\r\n")

    def _check(self, command: Command) -> None:
        if self._deflater and isinstance(command, Compress):
            raise LocalProtocolError("both directions are compressed already (RFC 4978, section 3)")
        if len(self._pending) >= self._limits.outstanding:
            raise LocalProtocolError("too many commands without a reply")
        # A command that goes alone is the only one on its way, and so the first.
        before = next(iter(self._pending.values()), None)
        alone = before and (isinstance(before, ALONE) or isinstance(command, ALONE))
        if before and (alone or self._open):
            raise LocalProtocolError(
                f"{describe(command)} has to wait for the reply to {describe(self._open or before)}"
            )
        if self._open:
            raise LocalProtocolError(f"{describe(self._open)} is not sent in full")

    def _advance(self, name: str, command: Command | None) -> None:
        """Tell the dialogue what we do; what it does not know there is our caller's fault."""
        if self._fault:
            raise LocalProtocolError("the connection is of no more use")
        step: Callable[[], None] = getattr(self._dialogue, name)
        try:
            step()
        except NoTransition:
            what = describe(command) if command else name
            raise LocalProtocolError(f"{what} is not allowed in state {self.state}") from None

    # Hearing

    def _read(self) -> Event | NeedData:
        while not self._events:
            if event := next(self._told, None):
                self._learn_enabled(event)
                return event
            self._look_ahead()
            read = self._reader.read()
            if read is None:
                if self._inflater and (block := self._inflater.take(CHUNK)):
                    self._reader.input.append(block)
                    continue
                return self._at_end() if self._ended else NEED_DATA
            if isinstance(read, Response):
                self._hear(read)
            else:
                return read
        return self._events.popleft()

    def _learn_enabled(self, event: Event) -> None:
        if isinstance(event, Enabled) and event.names & {b"UTF8=ACCEPT", b"IMAP4REV2"}:
            self._abilities = Abilities(self.capabilities, utf8=True)

    def _look_ahead(self) -> None:
        """Look at what may be a fault before it is a line. Raises RemoteProtocolError."""
        if self._facts.state == "greeting":
            # A TLS alert does not end with a line end; it would be waited for until the timeout.
            start = self._reader.input.head(2)
            if len(start) == 2 and start[0] in b"\x15\x16" and start[1] == 3:
                raise RemoteProtocolError(f"greeting is not IMAP{looks_like(start)}", line=start)
        elif len(self._reader.input):
            if self._facts.state == "tls-handover":
                raise RemoteProtocolError(INJECTED)
            if self._facts.state == "logged-out":
                raise RemoteProtocolError("something came behind the answer to LOGOUT")

    def _at_end(self) -> Event | NeedData:
        if self._facts.state == "closed":
            return NEED_DATA
        if missing := self._reader.missing:
            raise ConnectionLost(f"connection closed with {missing} octets of a message missing")
        if self._pending and self._facts.state != "logout":
            raise ConnectionLost(f"connection closed while {owed(self.outstanding)} unanswered")
        start = self._reader.input.head(80)
        if self._facts.state == "greeting":
            raise ConnectionLost(f"connection closed before the greeting{looks_like(start)}")
        if not self._reader.between_responses and self._facts.state != "logout":
            raise ConnectionLost("connection closed in the middle of a response")
        self._dialogue.closed()
        return Closed()

    def _hear(self, response: Response) -> None:
        line = response.line
        if self._facts.state == "greeting":
            self._hear_greeting(line)
        elif line[:2] in {b"* ", b"*\t"}:
            self._hear_untagged(response, line)
        elif line.startswith(b"+"):
            self._go_on(line)
        else:
            self._hear_tagged(line)

    def _hear_greeting(self, line: bytes) -> None:
        star, word, text, *_ = [*line.split(None, 2), b"", b"", b""]
        word = word.upper()
        if star != b"*" or word not in {b"OK", b"PREAUTH", b"BYE"}:
            raise RemoteProtocolError(f"greeting is not IMAP{looks_like(line)}", line=line)
        code, text = split_code(text)
        if word == b"BYE":
            self._dialogue.bye()
            self._events.append(SaidBye(code, text))
            return
        if word == b"PREAUTH":
            self._dialogue.preauthenticated()
        else:
            self._dialogue.greeted()
        self._learn(code)
        self._events.append(Greeted(word == b"PREAUTH", code, text))

    def _hear_untagged(self, response: Response, line: bytes) -> None:
        # A search result may have megabytes: it is not copied for its first word.
        start = UNTAGGED.match(line)
        word = start[1].upper() if start else b""
        text = line[start.end() :] if start and word in WORDS else b""
        if word in CONDITIONS:
            code, text = split_code(text)
            self._learn(code)
            self._events.append(Status(CONDITIONS[word], code, text))
        elif word == b"BYE":
            self._hear_bye(text)
        elif word == b"CAPABILITY":
            self._learn(Code(b"CAPABILITY", text))
        else:
            self._told = iter(events_of(response, self._limits))

    def _hear_bye(self, text: bytes) -> None:
        code, text = split_code(text)
        try:
            self._dialogue.bye()
        except NoTransition:
            raise RemoteProtocolError("BYE at a moment when nothing may come") from None
        self._events.append(SaidBye(code, self._reader.hidden.clean(text)))

    def _hear_tagged(self, line: bytes) -> None:
        tag, word, text, *_ = [*line.split(None, 2), b"", b"", b""]
        condition = CONDITIONS.get(word.upper())
        if tag not in self._pending:
            raise RemoteProtocolError("a reply to nothing that we asked", line=line)
        if condition is None:
            raise RemoteProtocolError(
                f"reply to {describe(self._pending[tag])} is none of OK, NO and BAD", line=line
            )
        command = self._pending[tag]
        if command is self._open:
            self._end_conversation(command, condition)
        del self._pending[tag]
        self._reader.command_over()
        code, text = split_code(text)
        text = self._reader.hidden.clean(text)
        if condition is Condition.OK:
            # The server may talk about the password later on; but a very short one stands in
            # every other word.
            self._reader.hidden.login_is_over()
        self._conclude(command, condition)
        if self._facts.state == "tls-handover":
            if len(self._reader.input):
                raise RemoteProtocolError(INJECTED)
            self._events.append(TlsReady(command))
        else:
            self._learn(code)
            self._events.append(Completed(command, condition, code, text))

    def _end_conversation(self, command: Command, condition: Condition) -> None:
        """The command is answered. One that was refused instead of continued owes nothing more.

        But a message that the server has asked for is sent to its end, for the server reads it.
        """
        owes_text = isinstance(command, Append) and self._text_left > 0
        if condition is Condition.OK and (self._held_back or owes_text):
            raise RemoteProtocolError(f"OK to {describe(command)}, which is not sent in full")
        if not (owes_text and self._asked):
            self._open, self._asked = None, False
            self._initial_response = None
            self._held_back.clear()

    def _conclude(self, command: Command, condition: Condition) -> None:
        """Move the dialogue on after the commands that change its state."""
        good = condition is Condition.OK
        if self._facts.state == "leaving":
            return
        match command:
            case StartTls() if good:
                self._abilities = Abilities()
                self._dialogue.start_tls_granted()
            case StartTls():
                self._dialogue.start_tls_refused()
            case Login() | Authenticate() if good:
                self._abilities = Abilities()
                self._dialogue.login_granted()
            case Login() | Authenticate():
                self._dialogue.login_refused()
            case Idle() if self._facts.state.startswith("idling"):
                self._dialogue.idle_ended()
            case Compress() if good:
                self._compress()
            case Select() if good:
                self._dialogue.select_granted()
            case Select():
                self._dialogue.select_refused()
            case CloseMailbox() | Unselect() if good:
                self._dialogue.close_granted()
            case CloseMailbox() | Unselect():
                self._dialogue.close_refused()
            case Logout():
                self._dialogue.logout_answered()
            case _:
                pass

    def _go_on(self, line: bytes) -> None:
        """Hear a ``+``: the open command may go on (7.5)."""
        if self._held_back:
            self._outbox.put(self._held_back.popleft())
            return
        match self._open:
            case Authenticate() if not self._asked:
                self._hear_challenge(line)
            case Append() as command if not self._asked:
                self._asked = True
                self._events.append(ReadyForText(command))
            case Idle() as command if not self._asked:
                self._asked = True
                self._events.append(Idling(command))
            case _:
                raise RemoteProtocolError("the server asks for more than we have to say", line=line)

    def _hear_challenge(self, line: bytes) -> None:
        if self._initial_response is not None:
            # Whatever it says: the first + behind a mechanism in which we begin asks for that.
            self._outbox.put(encode_base64(self._initial_response) + b"\r\n")
            self._initial_response = None
            return
        if self._cancelled:
            raise RemoteProtocolError("a challenge after AUTHENTICATE was cancelled")
        try:
            challenge = decode_base64(line[1:].strip(b" "))
        except ValueError:
            # Some say "+ PLAIN supported": this mechanism cannot go on, another one may.
            self._cancelled = True
            if self._trace:
                self._trace(">", b"*")
            self._outbox.put(b"*\r\n")
            return
        self._asked = True
        self._events.append(Challenge(challenge))

    def _compress(self) -> None:
        """Read and write deflated from here on, beginning right behind the OK (RFC 4978)."""
        from .deflate import Deflater, Inflater  # zlib is loaded where it is used

        self._deflater, self._inflater = Deflater(), Inflater()
        self._inflater.feed(self._reader.input.take(len(self._reader.input)))

    def _learn(self, code: Code | None) -> None:
        if code is None or code.name != b"CAPABILITY":
            return
        names = code.arguments.upper().split()
        if len(names) > self._limits.capabilities:
            raise LimitExceeded("capabilities", self._limits.capabilities)
        self._abilities = Abilities(frozenset(names), self.utf8)
        self._events.append(Capabilities(self.capabilities))
