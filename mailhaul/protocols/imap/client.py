"""An IMAP client without I/O: bytes in, events out (RFC 3501).

client_states.py says which command is allowed when, client_lines.py writes commands, responses.py
parses responses. This module matches tagged ones to commands, and makes an event of each response.

This file is long because all of that depends on the commands without a reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..announced import NOTHING, Announced, capabilities_in
from ..errors import ConnectionLost, LimitExceeded, LocalProtocolError, RemoteProtocolError
from ..greetings import looks_like
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import NEED_DATA, NeedData, Tap
from ..roles import Client
from ..sasl.exchange import Authenticate, CancelAuthentication, Respond
from . import client_states as states
from .client_lines import NAMES, NOT_ALWAYS, describe, encode, goes_along, refuse, unanswered
from .client_states import Dialogue
from .commands import (
    Append,
    AppendChunk,
    CloseMailbox,
    Command,
    Compress,
    Continuation,
    Done,
    Enable,
    Fetch,
    Idle,
    Login,
    Logout,
    Search,
    Select,
    StartTls,
    UidFetch,
    UidSearch,
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
    SaidBye,
    Status,
    TlsReady,
)
from .responses import CHUNK, Response, ResponseReader, split_code
from .strings import Abilities, quoted
from .untagged import events_of

if TYPE_CHECKING:
    from .deflate import Deflater, Inflater
    from .open_command import OpenCommand

UNTAGGED = re.compile(rb"\*[ \t]+([^ \t]+)[ \t]*")
CONDITIONS = {condition.value: condition for condition in Condition}
LOOKED_AT = (states.greeting, states.tls_handover, states.logged_out)
"""States in which received bytes are checked before they form a line."""
WORDS = {*CONDITIONS, b"BYE", b"CAPABILITY"}
"""Untagged responses that change the client's own state."""
NO_PIPELINING = frozenset(
    {StartTls, Authenticate, Login, Enable, Compress, Select, CloseMailbox, Unselect, Logout}
)
"""Commands that are not pipelined, because they change the state; LOGOUT may follow others."""
CHANGE_STATE = NO_PIPELINING | {Idle}
"""Commands whose reply may change the state."""
MULTI_STEP = (Append, Idle, Authenticate)


def follows_select(command: Command) -> bool:
    """Whether a command may be sent before the reply to SELECT: it reads, and names no message.

    "$" stands for the result of the last search with SAVE, which SELECT empties (RFC 5182, 2.1).
    """
    match command:
        case Search() | UidSearch() | Fetch(b"$") | UidFetch(b"$"):
            return True
        case _:
            return False


class ImapClient(Client[Command | Continuation, Event, Dialogue]):
    """An IMAP client without a socket.

    Tags are A0001, A0002 and so on. Commands can be pipelined, except around a command whose reply
    changes the state: there ``send`` raises LocalProtocolError. Only Search and UidSearch, and
    Fetch and UidFetch of the saved result, may follow Select at once; they are refused if Select
    is. Send Respond or CancelAuthentication after Challenge, AppendChunk after ReadyForText, and
    Done after Idling.

    With ``read_only``, ``send`` raises LocalProtocolError for everything that may change something
    at the server: SELECT (EXAMINE is allowed), STORE, FETCH without PEEK, APPEND and so on.
    """

    GREETING = states.greeting
    UNSOLICITED = (states.idling, states.idling_selected)
    INJECTED = "unencrypted data followed the OK to STARTTLS (RFC 3501, 6.2.1)"

    def __init__(
        self, limits: Limits = DEFAULT_LIMITS, tap: Tap | None = None, *, read_only: bool = False
    ) -> None:
        super().__init__(states.table, limits, tap)
        if read_only:
            self._read_only = True
        self._reader = ResponseReader(self._input, limits)
        self._reader.more = self._events
        self._tap_changed()
        self._pending: dict[bytes, Command] = {}
        self._found: Iterator[Event] | None = None
        self._abilities = Abilities()
        self._announced = NOTHING
        self._open: OpenCommand | None = None
        self._inflater: Inflater | None = None
        self._deflater: Deflater | None = None
        self._tags = 0

    @property
    def capabilities(self) -> Announced:
        """The capabilities announced last. If empty, send Capability.

        Keywords are in upper case, with their arguments as sent: ``AUTH=PLAIN AUTH=LOGIN`` is
        ``AUTH`` with ``PLAIN`` and ``LOGIN``, and ``IDLE`` has none.
        """
        return self._announced

    @property
    def utf8(self) -> bool:
        """Whether mailbox names and quoted strings may contain UTF-8 (RFC 6855; RFC 9051)."""
        return self._abilities.utf8

    @property
    def outstanding(self) -> Sequence[Command]:
        """The commands that wait for their reply, oldest first."""
        return tuple(self._pending.values())

    def _oldest_command(self) -> Command | None:
        return next(iter(self._pending.values()), None)

    def assume_authenticated(self) -> None:
        """Go to the authenticated state without a login: the caller knows it is not needed."""
        self._take_note("assume_authenticated")
        self._check_unharmed()
        self._advance(Dialogue.assumed_authenticated, "assume_authenticated()")

    def _tap_changed(self) -> None:
        self._reader.show = self._show_received if self._line_tap else None

    def _take(self, data: bytes) -> None:
        if self._inflater:
            self._inflater.feed(data)
        else:
            self._input.append(data)

    def _hand_over(self) -> list[bytes]:
        pieces = self._outbox.take()
        return self._deflater.deflate(pieces) if self._deflater else pieces

    def _forget_announced(self) -> None:
        self._abilities = Abilities()
        self._announced = NOTHING

    def _may_echo_secret(self) -> bool:
        return any(isinstance(c, Login | Authenticate) for c in self._pending.values())

    # Sending

    def _send(self, command: Command | Continuation) -> None:
        if self._fault or self._ended:
            self._refuse_to_send()
        if self._read_only:
            from .read_only import refuse_changes  # most clients are not

            refuse_changes(command)
        if type(command) in NAMES:
            self._send_command(command)  # type: ignore[arg-type]  # the keys are its types
            return
        match command:
            case Respond() | CancelAuthentication():
                self._respond(command)
            case AppendChunk(data):
                self._send_text(data)
            case Done():
                self._send_done()
            case _:
                raise LocalProtocolError(f"{type(command).__name__} is not an IMAP command")

    def _send_command(self, command: Command) -> None:
        if self._secured and isinstance(command, StartTls):
            raise LocalProtocolError("TLS is already active (RFC 3501, 6.2.1)")
        if isinstance(command, NOT_ALWAYS):
            refuse(command, self._abilities)
        wire = encode(command, self._abilities)
        self._check(command)
        if not self._moves(states.SENT.get(type(command), Dialogue.mailbox_command_sent)):
            raise self._not_allowed(describe(command))
        self._tags += 1
        tag = b"A%04d" % self._tags
        self._pending[tag] = command
        if self._line_tap:
            self._line_tap.line(">", b"%b %b" % (tag, wire.redacted))
        first, *rest = wire.pieces
        self._outbox.put(b"%b %b" % (tag, first))
        if rest or isinstance(command, MULTI_STEP):
            from .open_command import OpenCommand  # most polls send none

            self._open = OpenCommand(command, rest)
        if isinstance(command, Authenticate | Append | Login):
            self._begin_steps(command)

    def _begin_steps(self, command: Authenticate | Append | Login) -> None:
        """Prepare for what follows the first line of a command, or keep its secret."""
        match command:
            case Authenticate():
                self._begin_exchange(command, at_once=goes_along(command, self._abilities))
            case Append(size=size) if self._abilities.takes_at_once(size):
                self._go_on(b"+")
            case Login(password=password):
                text = password.reveal()
                self._hidden.add(text, quoted(text)[1:-1])
            case _:
                pass

    def _send_text(self, data: bytes) -> None:
        if self._open is None:
            raise LocalProtocolError(states.NOT_READY)
        end = self._open.add_text(data)
        self._outbox.put(data)
        self._outbox.put(end)
        if end:
            # Only the reply is missing, so that further commands may follow (RFC 3501, 5.5).
            self._open = None

    def _send_done(self) -> None:
        if self._open is None:
            raise LocalProtocolError(states.NOT_IDLE)
        self._open.check_done()
        self._advance(Dialogue.done_sent)
        self._open = None
        self._say(b"DONE")

    def _check(self, command: Command) -> None:
        if self._deflater and isinstance(command, Compress):
            raise LocalProtocolError("compression is already active (RFC 4978, section 3)")
        if len(self._pending) >= self._limits.outstanding:
            raise LocalProtocolError("too many commands without a reply")
        # If a command that is not pipelined is outstanding, only these may have followed it.
        before = next(iter(self._pending.values()), None)
        alone = before and (type(before) in NO_PIPELINING or type(command) in NO_PIPELINING)
        if isinstance(before, Select) and follows_select(command):
            alone = False
        elif isinstance(command, Logout):
            # The server replies to all commands before it (RFC 3501, 5.5).
            alone = type(before) in NO_PIPELINING
        if before and (alone or self._open):
            first = describe(self._open.command if self._open else before)
            raise LocalProtocolError(f"{describe(command)} must wait for the reply to {first}")
        if self._open:
            raise LocalProtocolError(f"{describe(self._open.command)} has not been sent completely")

    # Receiving

    def _read(self) -> Event | None:
        while not self._events:
            if self._found and (event := next(self._found, None)):
                return event
            self._found = None
            if self._place.state in LOOKED_AT:
                self._look_ahead()
            read = self._reader.read()
            if read is None:
                if self._inflater and (block := self._inflater.take(CHUNK)):
                    self._input.append(block)
                    continue
                return None
            if isinstance(read, Response):
                self._hear(read)
            else:
                return read
        return self._events.pop(0)

    def _look_ahead(self) -> None:
        """Check received bytes in a state of LOOKED_AT. Raises RemoteProtocolError."""
        state = self._place.state
        if state is states.greeting:
            # A TLS alert has no line ending, so the client would wait until the timeout.
            start = self._input.head(2)
            if len(start) == 2 and start[0] in b"\x15\x16" and start[1] == 3:
                raise RemoteProtocolError(f"greeting is not IMAP{looks_like(start)}", line=start)
        elif len(self._input):
            if state is states.tls_handover:
                self._check_clear()
            else:
                raise RemoteProtocolError("unexpected data after the reply to LOGOUT")

    def _at_end(self) -> Event | NeedData:
        if self._at(states.closed):
            return NEED_DATA
        if missing := self._reader.missing:
            raise ConnectionLost(f"connection closed with {missing} octets of a message missing")
        oldest = self._oldest_command()
        if oldest and not isinstance(oldest, Logout):
            raise ConnectionLost(
                f"connection closed while {unanswered(self.outstanding)} unanswered"
            )
        start = self._input.head(80)
        if self._at(states.greeting):
            raise ConnectionLost(f"connection closed before the greeting{looks_like(start)}")
        if not self._reader.between_responses and not self._at(states.logout):
            raise ConnectionLost("connection closed in the middle of a response")
        self._dialogue.closed()
        return Closed()

    def _hear(self, response: Response) -> None:
        line = response.line
        if self._place.state is states.greeting:
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
        self._reader.takes_short_cuts = True
        self._learn(code)
        self._events.append(Greeted(word == b"PREAUTH", code, text))

    def _hear_untagged(self, response: Response, line: bytes) -> None:
        # A search result may have megabytes, so it is not copied to find its first word.
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
        elif word == b"SEARCH":
            self._found = iter(events_of(response, self._limits))
        else:
            events = list(events_of(response, self._limits))
            self._learn_enabled(events[-1])
            self._events.extend(events)

    def _learn_enabled(self, event: Event) -> None:
        if isinstance(event, Enabled) and event.names & {b"UTF8=ACCEPT", b"IMAP4REV2"}:
            self._abilities = Abilities(self._abilities.capabilities, utf8=True)

    def _hear_bye(self, text: bytes) -> None:
        code, text = split_code(text)
        if not self._moves(Dialogue.bye):
            raise RemoteProtocolError("unexpected BYE")
        self._events.append(SaidBye(code, self._hidden.clean(text)))

    def _hear_tagged(self, line: bytes) -> None:
        tag, word, text, *_ = [*line.split(None, 2), b"", b"", b""]
        condition = CONDITIONS.get(word.upper())
        if tag not in self._pending:
            problem = "unexpected reply: no command was waiting for one"
            raise RemoteProtocolError(problem, line=line)
        if condition is None:
            raise RemoteProtocolError(
                f"reply to {describe(self._pending[tag])} is not OK, NO or BAD", line=line
            )
        command = self._pending[tag]
        if self._open and command is self._open.command:
            self._end_conversation(self._open, condition)
        del self._pending[tag]
        self._reader.command_over()
        code, text = split_code(text) if text.startswith(b"[") else (None, text)
        if self._hidden.words:
            text = self._hidden.clean(text)
        if condition is Condition.OK and self._hidden.has_short:
            # Later replies may still repeat the password, but short secrets are no longer hidden:
            # ordinary words contain them.
            self._hidden.login_is_over()
        if type(command) in CHANGE_STATE:
            self._conclude(command, condition)
        if self._place.state is states.tls_handover:
            self._check_clear()
            self._events.append(TlsReady(command))
        else:
            if code:
                self._learn(code)
            self._events.append(Completed(command, condition, code, text))

    def _end_conversation(self, command: OpenCommand, condition: Condition) -> None:
        """End a multi-step command after its reply. If it was refused, the rest is not sent.

        Only a message that the server has already requested is sent completely.
        """
        if condition is Condition.OK and not command.is_sent:
            what = describe(command.command)
            raise RemoteProtocolError(f"OK to {what}, which has not been sent completely")
        self._exchange = None
        if not command.owes_text:
            self._open = None

    def _conclude(self, command: Command, condition: Condition) -> None:
        """Update the state after the reply to a command that changes it."""
        if self._place.state is states.leaving:
            return
        good = condition is Condition.OK
        match command:
            case StartTls() if good:
                self._forget_announced()
                self._dialogue.start_tls_granted()
            case StartTls():
                self._dialogue.start_tls_refused()
            case Login() | Authenticate() if good:
                self._forget_announced()
                self._dialogue.login_granted()
            case Login() | Authenticate():
                self._dialogue.login_refused()
            case Idle() if self._at(states.idling, states.idling_selected):
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
        """Process a ``+`` response: the open command may continue (7.5)."""
        if self._exchange:
            event = self._hear_challenge(self._exchange, line[1:])
            self._events.extend([event] if event else [])
        elif self._open is None:
            raise RemoteProtocolError(states.NOTHING_TO_SEND, line=line)
        elif literal := self._open.next_literal():
            self._outbox.put(literal)
        else:
            self._events.append(self._open.invite(line))

    def _compress(self) -> None:
        """Compress both directions, starting directly after the OK (RFC 4978)."""
        from .deflate import Deflater, Inflater  # zlib is loaded only when it is used

        self._deflater, self._inflater = Deflater(), Inflater()
        self._inflater.feed(self._input.take(len(self._input)))

    def _learn(self, code: Code | None) -> None:
        if code is None or code.name != b"CAPABILITY":
            return
        if len(code.arguments.split()) > self._limits.capabilities:
            raise LimitExceeded("capabilities", self._limits.capabilities)
        self._announced, names = capabilities_in(code.arguments)
        self._abilities = Abilities(names, self.utf8)
        self._events.append(Capabilities(names))
