"""An SMTP or LMTP client without I/O: bytes in, events out (RFC 5321, RFC 2033).

client_states.py says what may be sent in which state, command_lines.py writes commands, replies.py
parses replies, and ../dots.py does the dot-stuffing. This module matches replies to commands and
supports pipelining (RFC 2920).

Rules for the caller:

* After a 354 reply although the sender or every recipient was refused, the state is ``lone-dot``:
  only EndOfData may be sent, and its reply never ``accepts``.
* A 4xx or 5xx reply before the final dot is returned as the reply to EndOfData. Text that was not
  sent yet is dropped, and the state is ``cut-short``: nothing more may be sent, because client and
  server may disagree on what is text and what is a command. Later replies are ignored. Close the
  connection.
* After a 421 reply, solicited or not, only Quit may be sent.
* After Bdat, exactly the announced number of octets must be sent as BodyChunk, even if a reply
  arrives meanwhile. After a refused chunk the message is lost: Bdat is no longer allowed, and Rset
  ends the transaction (RFC 3030, section 2).
* Nothing may be sent while several LMTP replies to one text are outstanding, and only Rset after
  the last Bdat. Otherwise, if a reply were missing, the next one could count as acceptance.
* In LMTP the last Bdat must wait until a recipient has been accepted: for nobody it has no reply
  (RFC 2033, section 4.3), but from some servers (Dovecot 2.3) it has one, so the client could only
  wait without knowing for what.
* A reply code that the command cannot have (354 to MAIL, 250 to DATA) raises OutOfStep, and so does
  a reply for which no command is waiting. Some reply was omitted or sent twice, and it is unknown
  which one. ``send`` raises LocalProtocolError while unsolicited data has not been read.

This file is long because all these rules are about one queue of commands without a reply.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from ..announced import NOTHING, Announced, by_words
from ..dots import DotWriter
from ..errors import ConnectionLost, LimitExceeded, LocalProtocolError, RemoteProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..machine import NEED_DATA, NeedData, Tap
from ..roles import Client
from ..sasl.exchange import (
    Authenticate,
    CancelAuthentication,
    Respond,
)
from . import client_states as states
from .client_states import Dialogue
from .command_lines import encode_command, goes_along, needs_utf8, verb_of
from .commands import (
    Bdat,
    BodyChunk,
    Command,
    Continuation,
    Data,
    Ehlo,
    EndOfData,
    Etrn,
    Expn,
    Helo,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Vrfy,
)
from .events import Answered, Closed, Event, Greeted, Reply, SaidGoodbye, TlsReady
from .replies import USUAL_END, USUAL_GROUP, OutOfStep, ReplyReader
from .reply_codes import fits

CHECKED = frozenset({StartTls, Authenticate, Data, Bdat, Rcpt})
"""Commands that depend on more than the state."""
END_OF_DATA, RSET = EndOfData(), Rset()
CONTINUATIONS = (Respond, CancelAuthentication)
NO_EXTENSIONS: Mapping[bytes, bytes] = MappingProxyType({})
LAST_IN_GROUP = frozenset(
    {Ehlo, Helo, StartTls, Authenticate, Data, Noop, Etrn, Vrfy, Expn, Help, Quit}
)
"""Commands after which nothing is sent until their reply arrives (RFC 2920, 3.1)."""
NOT_ASCII = "recipient is not ASCII: MAIL needs SMTPUTF8 (RFC 6531, 3.4)"
OPEN = (states.envelope, states.data_pending)
"""States in which a refusal of MAIL ends the transaction."""
FIRST_IN_GROUP = frozenset({Ehlo, Helo, StartTls, Authenticate})
"""Commands that are sent only when no reply is outstanding."""


class Transaction:
    """The state of one mail transaction: which sender and recipients the server accepted.

    ``spoiled`` is true if the server refused a chunk, and so the message.
    """

    __slots__ = ("binary", "sender_taken", "spoiled", "taken", "utf8")

    def __init__(self, utf8: bool = False, binary: bool = False) -> None:
        self.utf8 = utf8
        self.binary = binary
        self.sender_taken = False
        self.spoiled = False
        self.taken: list[bytes] = []

    @property
    def wanted(self) -> bool:
        """Whether the text will be delivered to at least one recipient."""
        return self.sender_taken and bool(self.taken) and not self.spoiled


class Pending:
    """A command that waits for its reply. ``recipient`` is set for LMTP replies to a text."""

    __slots__ = ("command", "recipient", "transaction")

    def __init__(
        self, command: Command, transaction: Transaction, recipient: bytes | None = None
    ) -> None:
        self.command = command
        self.transaction = transaction
        self.recipient = recipient


class SmtpClient(Client[Command | Continuation, Event, Dialogue]):
    """An SMTP client without a socket, or an LMTP client if ``lmtp`` is true."""

    GREETING = states.greeting
    INJECTED = "unencrypted data followed the 220 to STARTTLS (RFC 3207, section 4)"

    def __init__(
        self, lmtp: bool = False, limits: Limits = DEFAULT_LIMITS, tap: Tap | None = None
    ) -> None:
        self._lmtp = lmtp
        super().__init__(states.table, limits, tap)
        self._reader = ReplyReader(self._input, limits)
        self._tap_changed()
        self._pending: deque[Pending] = deque()
        # Those among the outstanding commands that end a text: once for each reply.
        self._texts: deque[Command] = deque()
        self._transaction = Transaction()
        # How many commands send_group sent last, as long as none of them is answered.
        self._group = 0
        self._text = DotWriter()
        self._chunk_left = 0
        self._last_of_chunks = False
        self._authenticated = False
        self._extensions: Mapping[bytes, bytes] = NO_EXTENSIONS
        self._announced = NOTHING
        # The lines of checked commands, by the identity of the command, which is kept along.
        self._checked: dict[int, tuple[Command, bytes]] = {}

    @property
    def lmtp(self) -> bool:
        """Whether it speaks LMTP."""
        return self._lmtp

    @property
    def capabilities(self) -> Announced:
        """What EHLO was answered with last: keywords in upper case, with the words after each."""
        return self._announced

    @property
    def extensions(self) -> Mapping[bytes, bytes]:
        """The same, with what follows each keyword as one text."""
        return self._extensions

    @property
    def outstanding(self) -> Sequence[Command]:
        """The commands that wait for a reply, oldest first."""
        return tuple([pending.command for pending in self._pending])

    @property
    def outstanding_texts(self) -> Sequence[Command]:
        """Those of them that end a text, once for each reply that LMTP sends to it."""
        return self._texts

    def _oldest_command(self) -> Command | None:
        return self._pending[0].command if self._pending else None

    def _forget_announced(self) -> None:
        # RFC 3207, 4.2: EHLO must be sent again.
        self._extensions, self._announced = NO_EXTENSIONS, NOTHING
        self._checked.clear()

    def _tap_changed(self) -> None:
        self._reader.show = self._show_received if self._line_tap else None

    def _may_echo_secret(self) -> bool:
        return self._at(states.authenticating)

    # Sending

    def check(self, commands: Iterable[Command]) -> None:
        """Check the arguments of commands, such as a whole envelope, before the first is sent.

        Raises LocalProtocolError if one of them cannot be sent to this server, in any state.
        ``send`` uses the lines that are made here, if it is called with the same objects.
        """
        self._checked = {
            id(command): (command, encode_command(command, self._extensions, lmtp=self._lmtp))
            for command in commands
        }

    def send_group(self, mail: Mail, recipients: Sequence[Rcpt], data: Data) -> None:
        """Send a whole envelope in one group (RFC 2920, 3.1), or nothing.

        This is ``send`` for each of these commands, in fewer steps. Raises LocalProtocolError if
        one of them is not allowed now, or if the server does not support pipelining.
        """
        commands: tuple[Command, ...] = (mail, *recipients, data)
        self._check_usable()
        if b"PIPELINING" not in self._extensions:
            raise LocalProtocolError("a group of commands needs PIPELINING (RFC 2920)")
        if self._pending:
            self._check_turn(mail)
        if len(self._pending) + len(commands) > self._limits.outstanding or not recipients:
            raise LocalProtocolError("too many commands without a reply, or no recipient")
        transaction = Transaction(needs_utf8(mail), mail.body == b"BINARYMIME")
        self._check_transaction(transaction, recipients)
        lines = [self._checked.pop(id(command), (command, b""))[1] for command in commands]
        if not all(lines):
            lines = [encode_command(c, self._extensions, lmtp=self._lmtp) for c in commands]
        self._advance(Dialogue.envelope_sent, "MAIL")
        self._transaction = transaction
        self._pending.extend([Pending(command, transaction) for command in commands])
        self._group = len(commands)
        self._say_lines(lines)
        if self._tap:
            for command in commands:
                self._tap.said(command)

    def send_end(self) -> None:
        """Send the final dot and RSET in one group, or nothing.

        This is ``send`` of EndOfData and of Rset, in fewer steps. Raises LocalProtocolError if they
        are not allowed now, if the server does not support pipelining, or if it answers the text
        with several replies (LMTP).
        """
        self._check_usable()
        if b"PIPELINING" not in self._extensions:
            raise LocalProtocolError("a group of commands needs PIPELINING (RFC 2920)")
        if self._place.state is not states.body or self._pending:
            raise self._not_allowed("the final dot")
        if self._lmtp and len(self._transaction.taken) > 1:
            raise LocalProtocolError("RSET must wait for the replies to the text")
        self._advance(Dialogue.dot_sent, "the final dot")
        self._advance(Dialogue.rset_sent, "RSET")
        self._send_dot(END_OF_DATA)
        self._pending.append(Pending(RSET, self._transaction))
        self._say(b"RSET")
        if self._tap:
            self._tap.said(END_OF_DATA)
            self._tap.said(RSET)

    def _send(self, command: Command | Continuation) -> None:
        if isinstance(command, BodyChunk):
            self._send_text(command.data)
            return
        self._check_usable()
        if isinstance(command, CONTINUATIONS):
            self._respond(command)
            return
        if type(command) not in states.SENT:
            raise LocalProtocolError(f"{type(command).__name__} is not an SMTP command")
        if self._pending:
            self._check_turn(command)
        if isinstance(command, EndOfData):
            self._advance(Dialogue.dot_sent, "the final dot")
            self._send_dot(command)
            return
        _, line = self._checked.pop(id(command), (command, b""))
        line = line or encode_command(command, self._extensions, lmtp=self._lmtp)
        if type(command) in CHECKED:
            self._check_facts(command)
        if not self._moves(states.SENT[type(command)]):
            raise self._not_allowed(verb_of(command, lmtp=self._lmtp))
        if isinstance(command, Mail):
            self._transaction = Transaction(needs_utf8(command), command.body == b"BINARYMIME")
        self._pending.append(Pending(command, self._transaction))
        if ends_text(command):
            self._texts.append(command)
        match command:
            case Authenticate(mechanism, initial):
                self._begin_exchange(command, at_once=goes_along(command))
                self._say(line, line if initial is None else b"AUTH %b *" % mechanism)
            case Bdat(size, last):
                self._say(line)
                self._chunk_left, self._last_of_chunks = size, last
                self._send_text(b"")
            case _:
                self._say(line)

    def _check_usable(self) -> None:
        """Raise LocalProtocolError if nothing at all can be sent."""
        if self._fault or self._ended:
            self._refuse_to_send()
        if not (self._pending or self._reader.between_replies):
            raise LocalProtocolError("unsolicited data from the server: call next_event first")

    def _check_turn(self, command: Command) -> None:
        """Raise LocalProtocolError if a command cannot be sent before outstanding replies."""
        last = self._pending[-1].command
        if len(self._pending) >= self._limits.outstanding:
            raise LocalProtocolError("too many commands without a reply")
        ahead = b"PIPELINING" in self._extensions
        if not ahead or type(last) in LAST_IN_GROUP or type(command) in FIRST_IN_GROUP:
            what = verb_of(command, lmtp=self._lmtp)
            before = verb_of(last, lmtp=self._lmtp)
            raise LocalProtocolError(f"{what} must wait for the reply to {before}")
        if self._texts and not self._may_follow(command, self._texts):
            what = verb_of(command, lmtp=self._lmtp)
            raise LocalProtocolError(f"{what} must wait for the replies to the text")

    def _may_follow(self, command: Command, texts: Sequence[Command]) -> bool:
        """Whether the reply to this command cannot be taken for a missing reply to a text."""
        if self._lmtp and (len(texts) > 1 or isinstance(texts[0], Bdat)):
            return False
        return isinstance(command, Rset) or not isinstance(texts[0], Bdat)

    def _check_facts(self, command: Command) -> None:
        """Raise LocalProtocolError for what the state allows but the session does not."""
        transaction = self._transaction
        match command:
            case StartTls() if self._secured:
                raise LocalProtocolError("TLS is already active (RFC 3207, section 4.2)")
            case Authenticate() if self._authenticated:
                raise LocalProtocolError("AUTH is allowed once per session (RFC 4954, section 4)")
            case Data():
                self._check_transaction(transaction, ())
            case Bdat() if transaction.spoiled:
                raise LocalProtocolError("a chunk was refused: send RSET first")
            case Rcpt(recipient) if not (recipient.isascii() or transaction.utf8):
                raise LocalProtocolError(NOT_ASCII)
            case Bdat(last=True) if self._lmtp and not transaction.taken:
                raise LocalProtocolError("no recipient is accepted yet (RFC 2033, section 4.3)")
            case _:
                pass

    def _check_transaction(self, transaction: Transaction, recipients: Iterable[Rcpt]) -> None:
        """Raise LocalProtocolError if DATA or one of these recipients does not fit MAIL."""
        if transaction.binary:
            raise LocalProtocolError("BINARYMIME requires BDAT (RFC 3030, section 3)")
        for each in recipients:
            if not (each.recipient.isascii() or transaction.utf8):
                raise LocalProtocolError(NOT_ASCII)

    def _send_text(self, data: bytes) -> None:
        state = self._place.state
        if state is states.chunk:
            self._send_octets(data)
            return
        if self._fault or state is not states.body:
            raise LocalProtocolError(f"text is not allowed in state {self.state}")
        if safe := self._text.feed(data):
            self._outbox.put(safe)

    def _send_octets(self, data: bytes) -> None:
        """Send a part of a chunk unchanged."""
        if len(data) > self._chunk_left:
            raise LocalProtocolError("the data is longer than the announced chunk")
        self._outbox.put(data)
        self._chunk_left -= len(data)
        if self._chunk_left:
            return
        if self._last_of_chunks:
            self._dialogue.last_chunk_over()
        else:
            self._dialogue.chunk_over()

    def _send_dot(self, command: EndOfData) -> None:
        transaction = self._transaction
        if self._lmtp and transaction.wanted:
            for recipient in transaction.taken:
                self._pending.append(Pending(command, transaction, recipient))
                self._texts.append(command)
        else:
            self._pending.append(Pending(command, transaction))
            self._texts.append(command)
        self._outbox.put(self._text.finish())
        self._text = DotWriter()
        if self._line_tap:
            self._line_tap.line(">", b". (EOM)")

    # Receiving

    def _read(self) -> Event | None:
        if self._place.state is states.tls_handover:
            self._check_clear()
        if self._group and len(self._pending) == self._group and (event := self._hear_group()):
            return event
        if self._texts and self._texts[0] is END_OF_DATA and (event := self._hear_end()):
            return event
        while (reply := self._reader.read()) is not None:
            cut_short = self._place.state is states.cut_short
            if self._hidden.words:
                reply = self._cleaned(reply)
            if not cut_short and (event := self._hear(reply)):
                return event
        return None

    def _hear_group(self) -> Event | None:
        """Process the usual replies to an envelope, if they are next and all of them are here."""
        usual = self._place.state is states.data_pending and not self._hidden.words
        replies = self._reader.read_group(USUAL_GROUP, self._group) if usual else ()
        if not replies:
            return None
        self._group = 0
        transaction, commands = self._transaction, [each.command for each in self._pending]
        self._pending.clear()
        transaction.sender_taken = True
        transaction.taken = [each.recipient for each in commands if isinstance(each, Rcpt)]
        self._dialogue.text_granted()
        first, *others = map(Answered, commands, replies)
        self._events.extend(others)
        return first

    def _hear_end(self) -> Event | None:
        """Process the usual replies to ``send_end``, if they are next and both are here."""
        pending = self._pending
        if pending[0].command is not END_OF_DATA or pending[1].command is not RSET:
            return None
        replies = () if self._hidden.words else self._reader.read_group(USUAL_END, 2)
        if not replies:
            return None
        end, _ = pending.popleft(), pending.popleft()
        self._texts.popleft()
        accepted, reset = replies
        self._events.append(Answered(RSET, reset))
        return Answered(END_OF_DATA, accepted, end.recipient, end.transaction.wanted)

    def _hear(self, reply: Reply) -> Event | None:
        if self._place.state is states.greeting:
            (self._dialogue.welcomed if reply.code == 220 else self._dialogue.turned_away)()
            return Greeted(reply)
        if not self._pending:
            return self._hear_unsolicited(reply)
        if self._exchange and reply.code == 334:
            if self._exchange.cancelled:
                raise OutOfStep("334 after AUTH was cancelled", Reply(reply.code))
            return self._hear_challenge(self._exchange, reply.lines[-1])
        pending = self._pending.popleft()
        if self._group > len(self._pending):
            self._group = 0
        if self._texts and pending.command is self._texts[0]:
            self._texts.popleft()
        if self._lmtp:
            pending = self._of_recipient(pending)
        if not fits(pending.command, reply.code):
            what = self._called(pending.command)
            # A 2xx to DATA means one reply too many; a 354 to another command, one too few.
            late = isinstance(pending.command, Data) and reply.positive
            problem = f"{reply.code} is not a reply to {what}: replies are out of step"
            raise OutOfStep(problem, reply, too_many=late)
        if isinstance(pending.command, StartTls) and reply.code == 220:
            return self._hand_over_to_tls(reply)
        event = self._answer(pending, reply)
        if reply.code == 421:
            self._note_parting()
        return event

    def _cleaned(self, reply: Reply) -> Reply:
        """Return a reply with all secrets replaced."""
        lines = tuple(self._hidden.clean(line) for line in reply.lines)
        return reply if lines == reply.lines else Reply(reply.code, lines, reply.enhanced)

    def _show_received(self, line: bytes) -> None:
        if self._line_tap:
            # A challenge may contain data derived from a secret.
            challenge = self._at(states.authenticating) and line.startswith(b"334")
            super()._show_received(b"334 *" if challenge else line)

    def _of_recipient(self, pending: Pending) -> Pending:
        """Return the command, for its first recipient if each one gets a reply (LMTP).

        The number of LMTP replies to the last chunk is known only after the replies to RCPT.
        """
        command, transaction = pending.command, pending.transaction
        last = isinstance(command, Bdat) and command.last
        if not (last and transaction.wanted and pending.recipient is None):
            return pending
        first, *others = (Pending(command, transaction, who) for who in transaction.taken)
        self._pending.extendleft(reversed(others))
        self._texts.extendleft([command] * len(others))
        return first

    def _hear_unsolicited(self, reply: Reply) -> Event:
        if self._at(states.body, states.lone_dot) and reply.code >= 400:
            # A reply to the final dot before it was sent. The rest of the text is dropped.
            self._dialogue.text_cut_short()
            self._outbox.take()
            return Answered(EndOfData(), reply)
        if reply.code != 421:
            what = "unexpected reply: no command was waiting for one"
            raise OutOfStep(what, reply, too_many=True)
        self._note_parting()
        return SaidGoodbye(reply)

    def _note_parting(self) -> None:
        # Inside a text or a handshake, the server simply closes the connection next.
        self._moves(Dialogue.going_away)

    def _hand_over_to_tls(self, reply: Reply) -> Event:
        self._check_clear()
        self._dialogue.tls_granted()
        self._forget_announced()
        return TlsReady(reply)

    def _answer(self, pending: Pending, reply: Reply) -> Answered:
        """Update the state and the transaction after the reply to a command."""
        transaction = pending.transaction
        current = transaction is self._transaction
        positive = reply.positive
        accepts = False
        match pending.command:
            case Mail():
                transaction.sender_taken = positive
                if not positive and current and self._at(*OPEN):
                    self._dialogue.mail_refused()
            case Rcpt(recipient):
                if positive:
                    transaction.taken.append(recipient)
            case Data():
                self._answer_data(transaction, reply)
            case EndOfData():
                if self._at(states.lone_dot_pending):
                    self._dialogue.lone_dot_answered()
                accepts = positive and transaction.wanted
            case Bdat(_, last):
                self._check_chunk(reply, current=current)
                accepts = positive and last and transaction.wanted
                # Each LMTP reply to the last chunk is for one recipient only.
                transaction.spoiled = transaction.spoiled or not (positive or last)
            case Ehlo() | Helo():
                self._learn(pending.command, reply)
            case StartTls():
                self._dialogue.tls_refused()
            case Authenticate():
                self._end_authentication(reply)
            case Quit():
                self._dialogue.quit_answered()
            case _:
                pass
        return Answered(pending.command, reply, pending.recipient, accepts)

    def _check_chunk(self, reply: Reply, *, current: bool) -> None:
        """Raise RemoteProtocolError if the server accepts an incomplete chunk."""
        if reply.positive and current and self._at(states.chunk) and not self._pending:
            raise RemoteProtocolError("a chunk was accepted before it was sent")

    def _end_authentication(self, reply: Reply) -> None:
        self._exchange = None
        self._dialogue.auth_over()
        if reply.positive:
            self._authenticated = True
            self._hidden.login_is_over()

    def _answer_data(self, transaction: Transaction, reply: Reply) -> None:
        if reply.code == 354 and transaction.wanted:
            self._dialogue.text_granted()
        elif reply.code == 354:
            self._dialogue.empty_text_granted()
        elif transaction.sender_taken:
            self._dialogue.data_refused()
        else:
            self._dialogue.all_refused()

    def _learn(self, command: Ehlo | Helo, reply: Reply) -> None:
        self._forget_announced()
        if not reply.positive:
            self._dialogue.not_introduced()
            return
        if isinstance(command, Ehlo):
            if len(reply.lines) - 1 > self._limits.capabilities:
                raise LimitExceeded("extensions", self._limits.capabilities)
            found: dict[bytes, bytes] = {}
            for line in reply.lines[1:]:
                keyword, _, argument = line.strip().partition(b" ")
                found[keyword.upper()] = argument
            self._extensions, self._announced = MappingProxyType(found), by_words(found)
        self._dialogue.introduced()

    def _at_end(self) -> Event | NeedData:
        if self._at(states.closed):
            return NEED_DATA
        if self._pending and not self._at(states.quitting):
            what = self._called(self._pending[0].command)
            raise ConnectionLost(f"connection closed while {what} was unanswered")
        if not self._reader.between_replies:
            raise ConnectionLost("connection closed inside a reply")
        if self._at(states.quitting):
            self._dialogue.quit_answered()
        if not self._moves(Dialogue.ended):
            greeting = self._at(states.greeting)
            what = "before the greeting" if greeting else f"in state {self.state}"
            raise ConnectionLost(f"connection closed {what}")
        return Closed()

    def _called(self, command: Command) -> str:
        """Return the name of a command in messages."""
        return (
            "the final dot" if isinstance(command, EndOfData) else verb_of(command, lmtp=self._lmtp)
        )


def ends_text(command: Command) -> bool:
    """Whether the reply to this command accepts or refuses a message."""
    return isinstance(command, EndOfData) or (isinstance(command, Bdat) and command.last)
