"""IMAP as the client sees it: bytes in, events out (RFC 3501).

Which command is allowed when is in client_states.py, how bytes become responses in
responses.py. This module matches replies to commands by their tags and gives every response
its event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from automat import NoTransition

from ..errors import ConnectionLost, LimitExceeded, LocalProtocolError, RemoteProtocolError
from ..greetings import looks_like
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import NEED_DATA, NeedData, Outbox, Trace
from .client_lines import describe, encode, owed
from .client_states import Facts, new_dialogue
from .commands import (
    Capability,
    CloseMailbox,
    Command,
    Expunge,
    Fetch,
    Login,
    Logout,
    Noop,
    Search,
    Select,
    StartTls,
    Store,
    UidExpunge,
    UidFetch,
    UidSearch,
    UidStore,
)
from .events import (
    Capabilities,
    Closed,
    Code,
    Completed,
    Condition,
    Event,
    Exists,
    Expunged,
    Flags,
    Found,
    Greeted,
    Recent,
    SaidBye,
    Status,
    TlsReady,
    Unknown,
)
from .responses import Response, ResponseReader, fetched, split_code
from .strings import quoted

CONDITIONS = {condition.value: condition for condition in Condition}

INPUTS: dict[type, str] = {
    Capability: "question",
    Noop: "question",
    StartTls: "start_tls",
    Login: "login",
    Select: "select",
    CloseMailbox: "close",
    Search: "message_command",
    Fetch: "message_command",
    Store: "message_command",
    UidSearch: "message_command",
    UidFetch: "message_command",
    UidStore: "message_command",
    UidExpunge: "message_command",
    Expunge: "message_command",
    Logout: "logout",
}
"""The input of the dialogue that each command is when it is sent: NAME_sent."""

INJECTED = "something came in the clear behind the OK to STARTTLS (RFC 3501, 6.2.1)"

ALONE = (StartTls, Login, Select, CloseMailbox, Logout)
"""Commands behind which nothing may be sent until they are answered: they change the state."""


class ImapClient:
    """An IMAP client without a socket.

    Tags are A0001, A0002 and so on. ``capabilities`` are in upper case, as last announced, and
    empty when they have to be asked for.
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
        self._held_back: deque[bytes] = deque()
        self._tags = 0
        self._ended = False
        self._fault: RemoteProtocolError | None = None
        self.capabilities: frozenset[bytes] = frozenset()

    # The face of every machine

    @property
    def state(self) -> str:
        """Where the dialogue stands: a state of client_states.py, or ``error``."""
        return "error" if self._fault else self._facts.state

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
        self._reader.input.append(data)

    def receive_eof(self) -> None:
        """Take note that the server will send no more."""
        self._ended = True

    def data_to_send(self) -> list[bytes]:
        """Hand over, once, the bytes that are due to the server."""
        return self._outbox.take()

    def send(self, command: Command) -> None:
        """Send a command. Raises LocalProtocolError when it is not allowed now."""
        wire = encode(command, self.capabilities)
        self._check(command)
        self._advance(f"{INPUTS[type(command)]}_sent", command)
        self._tags += 1
        tag = b"A%04d" % self._tags
        self._pending[tag] = command
        if self._trace:
            self._trace(">", b"%b %b" % (tag, wire.shown))
        if isinstance(command, Login):
            password = command.password.reveal()
            self._reader.hidden = frozenset({password, quoted(password)[1:-1]} - {b""})
        first, *rest = wire.pieces
        self._outbox.put(b"%b %b" % (tag, first))
        self._held_back.extend(rest)

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
            if any(isinstance(command, Login) for command in self._pending.values()):
                # Where a password has just been sent, what came may be a part of its echo.
                fault.line = b""
            fault.line = self._reader.without_secrets(fault.line)
            self._fault = fault
            self._outbox.take()
            if self._events:
                return self._events.popleft()
            raise

    def tls_started(self) -> None:
        """The handshake is over: what the server announced before counts no more (6.2.1)."""
        if len(self._reader.input):
            self._fault = RemoteProtocolError(INJECTED, state=self.state)
        self._advance("tls_started", None)
        self.capabilities = frozenset()

    def assume_authenticated(self) -> None:
        """Go on without a login, on the caller's word that the connection is logged in."""
        self._advance("vouched", None)

    # Sending

    def _check(self, command: Command) -> None:
        if self._fault or self._ended:
            raise LocalProtocolError("the connection is of no more use")
        if len(self._pending) >= self._limits.outstanding:
            raise LocalProtocolError("too many commands without a reply")
        # A command that goes alone is the only one on its way, and so the first.
        before = next(iter(self._pending.values()), None)
        if before and (isinstance(before, ALONE) or isinstance(command, ALONE)):
            raise LocalProtocolError(
                f"{type(command).__name__} has to wait for the reply to {type(before).__name__}"
            )

    def _advance(self, name: str, command: Command | None) -> None:
        """Tell the dialogue what we do; what it does not know there is our caller's fault."""
        step: Callable[[], None] = getattr(self._dialogue, name)
        try:
            step()
        except NoTransition:
            what = type(command).__name__ if command else name
            raise LocalProtocolError(f"{what} is not allowed in state {self.state}") from None

    # Hearing

    def _read(self) -> Event | NeedData:
        while not self._events:
            self._look_ahead()
            read = self._reader.read()
            if read is None:
                return self._at_end() if self._ended else NEED_DATA
            if isinstance(read, Response):
                self._hear(read)
            else:
                return read
        return self._events.popleft()

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
        elif line.startswith(b"* "):
            self._hear_untagged(response, line)
        elif line.startswith(b"+"):
            self._go_on(line)
        else:
            self._hear_tagged(line)

    def _hear_greeting(self, line: bytes) -> None:
        star, _, rest = line.partition(b" ")
        word, _, text = rest.partition(b" ")
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
        _, first, *rest = line.split(b" ", 2)
        word = first.upper()
        text = rest[0] if rest else b""
        if word in CONDITIONS:
            code, text = split_code(text)
            self._learn(code)
            self._events.append(Status(CONDITIONS[word], code, text))
        elif word == b"BYE":
            self._hear_bye(text)
        elif word == b"CAPABILITY":
            self._learn(Code(b"CAPABILITY", text))
        elif word == b"FLAGS":
            self._events.append(Flags(tuple(text.strip(b"()").split())))
        elif word == b"SEARCH":
            self._events.append(Found(self._numbers(text)))
        elif first.isdigit():
            self._hear_numbered(response, first, text)
        else:
            self._events.append(Unknown(word))

    def _hear_numbered(self, response: Response, first: bytes, text: bytes) -> None:
        (count,) = self._numbers(first)
        kind = text.split(b" ", 1)[0].upper()
        match kind:
            case b"EXISTS":
                self._events.append(Exists(count))
            case b"RECENT":
                self._events.append(Recent(count))
            case b"EXPUNGE":
                self._events.append(Expunged(count))
            case b"FETCH":
                pieces, event = fetched(response.values or [], self._limits)
                self._events.extend(pieces)
                self._events.append(event)
            case _:
                self._events.append(Unknown(kind))

    def _hear_bye(self, text: bytes) -> None:
        code, text = split_code(text)
        try:
            self._dialogue.bye()
        except NoTransition:
            raise RemoteProtocolError("BYE at a moment when nothing may come") from None
        self._events.append(SaidBye(code, self._reader.without_secrets(text)))

    def _hear_tagged(self, line: bytes) -> None:
        tag, _, rest = line.partition(b" ")
        word, _, text = rest.partition(b" ")
        condition = CONDITIONS.get(word.upper())
        if tag not in self._pending:
            raise RemoteProtocolError("a reply to nothing that we asked", line=line)
        if condition is None:
            raise RemoteProtocolError(
                f"reply to {describe(self._pending[tag])} is none of OK, NO and BAD", line=line
            )
        if self._held_back and condition is Condition.OK:
            raise RemoteProtocolError("OK to a command that is not sent in full", line=line)
        command = self._pending.pop(tag)
        self._reader.command_over()
        # A command that was refused instead of continued owes us nothing more.
        self._held_back.clear()
        code, text = split_code(text)
        text = self._reader.without_secrets(text)
        if condition is Condition.OK:
            # The server may talk about the password later on; but a very short one stands in
            # every other word.
            self._reader.hidden = frozenset(s for s in self._reader.hidden if len(s) >= 4)
        self._conclude(command, condition)
        if self._facts.state == "tls-handover":
            if len(self._reader.input):
                raise RemoteProtocolError(INJECTED)
            self._events.append(TlsReady(command))
        else:
            self._learn(code)
            self._events.append(Completed(command, condition, code, text))

    def _conclude(self, command: Command, condition: Condition) -> None:
        """Move the dialogue on after the commands that change its state."""
        good = condition is Condition.OK
        if self._facts.state == "leaving":
            return
        match command:
            case StartTls() if good:
                self.capabilities = frozenset()
                self._dialogue.start_tls_granted()
            case StartTls():
                self._dialogue.start_tls_refused()
            case Login() if good:
                self.capabilities = frozenset()
                self._dialogue.login_granted()
            case Login():
                self._dialogue.login_refused()
            case Select() if good:
                self._dialogue.select_granted()
            case Select():
                self._dialogue.select_refused()
            case CloseMailbox() if good:
                self._dialogue.close_granted()
            case CloseMailbox():
                self._dialogue.close_refused()
            case Logout():
                self._dialogue.logout_answered()
            case _:
                pass

    def _go_on(self, line: bytes) -> None:
        if not self._held_back:
            raise RemoteProtocolError("the server asks for more than we have to say", line=line)
        self._outbox.put(self._held_back.popleft())

    def _learn(self, code: Code | None) -> None:
        if code is None or code.name != b"CAPABILITY":
            return
        names = code.arguments.upper().split()
        if len(names) > self._limits.capabilities:
            raise LimitExceeded("capabilities", self._limits.capabilities)
        self.capabilities = frozenset(names)
        self._events.append(Capabilities(self.capabilities))

    def _numbers(self, text: bytes) -> tuple[int, ...]:
        """Return the numbers in a line; other words (such as MODSEQ's list) are passed over."""
        words = text.split()
        if any(len(word) > self._limits.digits for word in words if word.isdigit()):
            raise RemoteProtocolError("a number that is too long to be one", line=text)
        return tuple(int(word) for word in words if word.isdigit())
