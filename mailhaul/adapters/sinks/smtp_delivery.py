"""The delivery of one message to an SMTP or LMTP listener: envelope, text, replies.

The text is sent with DATA, with CRLF line ends and dot stuffing. If the listener offers BINARYMIME,
the text is sent unchanged with BDAT, in chunks of announced size (RFC 3030): then no octet in it
can be taken for the end of the text.

This file is long because the replies to envelope, text and RSET together make one verdict.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ... import smtp
from ...flows.outcome import Outcome, Refusal, Verdict
from ...flows.sink import Parcel
from ...flows.source import CompletionProof
from ...protocols.dots import normalized
from ...protocols.errors import LocalProtocolError
from ...protocols.smtp.command_lines import offers_binary
from ..login.smtp import excerpt, reply_text
from .smtp_connection import DOT_SECONDS, Mismatch, SmtpConnection
from .smtp_recipients import decoded, recipients_at

COMMAND_SECONDS = 300.0
"""Seconds that a server always has to reply to a command, even if ``timeout`` is shorter (RFC 5321,
4.5.3.2).
"""
SYNTAX_REPLIES = 50
"""First digits of replies about the syntax of a command, never about mail (RFC 5321, 4.2.1)."""
CHUNK_SIZE = 256 * 1024
"""Octets of a BDAT chunk."""
MAX_PIPELINED_RECIPIENTS = 500
"""Recipients of a message up to which its envelope is pipelined."""
MAX_OUTSTANDING_CHUNKS = 4
"""Chunks that may be sent before the first of them is answered, with pipelining."""


class SmtpDelivery:
    """One mail transaction. See ``mailhaul.flows.sink.Delivery``.

    ``connect`` returns the connection to use after this one was lost; it raises SinkUnavailable.
    """

    def __init__(
        self,
        connection: SmtpConnection,
        connect: Callable[[], Awaitable[SmtpConnection]],
        parcel: Parcel,
    ) -> None:
        self._connect = connect
        self._parcel = parcel
        self._begin_on(connection)

    def _begin_on(self, connection: SmtpConnection) -> None:
        self._connection = connection
        self._recipients = recipients_at(self._parcel, connection.listener.domain)
        self._verdict: Outcome | None = None
        self._held_outcome: Outcome | None = None
        self._rset_sent = False
        self._text_refused = False
        self._may_reconnect = False
        self._refusal: tuple[Verdict, str] | None = None
        self._refusals: list[Refusal] = []
        self._sender_refused = False
        self._recipient_replies = 0
        self._accepted_recipients: list[bytes] = []
        self._results: list[tuple[str, Verdict]] = []
        self._envelope: list[smtp.Command] = []
        self._envelope_sent = False
        self._may_feed = False
        self._completed = False
        self._uses_chunks = False
        self._buffer = bytearray()

    # Envelope

    def send_envelope(self) -> None:
        """Send MAIL, RCPT and DATA together (pipelining), unless there are too many recipients.

        With very many recipients the commands are sent one by one, so that the queue of expected
        replies stays short.
        """
        if len(self._parcel.recipients) > MAX_PIPELINED_RECIPIENTS:
            return
        if not self._begin_transaction():
            return
        match self._envelope:
            case [smtp.Mail() as mail, *recipients, smtp.Data() as data]:
                group = [each for each in recipients if isinstance(each, smtp.Rcpt)]
                self._send_group(mail, group, data)
            case commands:
                for command in commands:
                    self._send(command)

    def _send_group(self, mail: smtp.Mail, recipients: list[smtp.Rcpt], data: smtp.Data) -> None:
        connection = self._connection
        try:
            connection.machine.send_group(mail, recipients, data)
        except LocalProtocolError as error:
            self._give_up_connection(error)
        else:
            connection.transaction_open = True

    def _begin_transaction(self) -> bool:
        """Choose DATA or BDAT and register for replies; return False if the message is refused."""
        self._envelope_sent = True
        binary = offers_binary(self._connection.machine.extensions)
        # A header must consist of lines (RFC 5322, 2.2), even if the body is binary.
        self._uses_chunks = binary and normalized(self._parcel.header) == self._parcel.header
        if not self._check_addresses():
            return False
        self._connection.add(self)
        return True

    def _check_addresses(self) -> bool:
        """Return whether the addresses can be sent to this listener; if not, refuse the message.

        This is checked before the first command, since the replies to an incomplete envelope would
        belong to no delivery.
        """
        self._envelope = self._envelope_commands()
        try:
            self._connection.machine.check(self._envelope)
        except LocalProtocolError as error:
            self._refuse(Verdict.REFUSED, str(error))
            self._conclude()
        return self._verdict is None

    def _envelope_commands(self) -> list[smtp.Command]:
        parcel = self._parcel
        reset = [smtp.Rset()] if self._connection.transaction_open else []
        offered = b"SMTPUTF8" in self._connection.machine.extensions
        utf8 = offered and not all(recipient.isascii() for recipient in self._recipients)
        size = None if parcel.recoded else parcel.size or None
        body = b"BINARYMIME" if self._uses_chunks else b"8BITMIME"
        mail = smtp.Mail(parcel.sender or b"", size, body, utf8)
        recipients = [smtp.Rcpt(recipient) for recipient in self._recipients]
        return [*reset, mail, *recipients, *([] if self._uses_chunks else [smtp.Data()])]

    def _send(self, command: smtp.Command | smtp.Continuation) -> None:
        """Send a command; if the connection does not allow it now, give up the connection."""
        try:
            self._connection.machine.send(command)
        except LocalProtocolError as error:
            self._give_up_connection(error)
            return
        if isinstance(command, smtp.EndOfData | smtp.Bdat) and self._completed:
            # The text ends the transaction, whatever the reply: a MAIL may follow at once.
            self._connection.transaction_open = False
        elif isinstance(command, smtp.Mail):
            self._connection.transaction_open = True
        elif isinstance(command, smtp.Rset):
            self._connection.transaction_open = False

    def _give_up_connection(self, error: LocalProtocolError) -> None:
        """Give up a connection that does not allow a command now."""
        # An unsolicited reply is a better explanation.
        self._connection.process_replies()
        self._connection.lose(str(error))
        self.connection_lost(str(error))

    async def ready(self) -> bool:
        """Wait until text may be fed; return False if the sink has already refused.

        If the connection was lost while it was idle, it is opened once more, since no text has been
        fed. The new connection may be to another listener, with another domain for local names.
        """
        await self._negotiate()
        if self._may_reconnect:
            self._begin_on(await self._connect())
            await self._negotiate()
        return self._may_feed

    async def _negotiate(self) -> None:
        if not self._envelope_sent and not await self._wait_for_previous():
            return
        if not self._envelope_sent and self._connection.pipelining:
            self.send_envelope()
        if self._envelope_sent:
            await self._wait_until(lambda: self._may_feed)
            return
        if not self._begin_transaction():
            return
        for command in self._envelope:
            if isinstance(command, smtp.Data) and not self._accepted_recipients:
                self._conclude()
            if self._verdict:
                return
            self._send(command)
            await self._wait_until(lambda: not self._connection.machine.outstanding)
            if isinstance(command, smtp.Mail) and self._refusal:
                self._conclude()

    async def _wait_for_previous(self) -> bool:
        """Wait for the reply to the previous text; return False if the connection is lost."""
        connection = self._connection
        connection.process_replies()
        while connection.usable and not connection.may_send_envelope:
            await connection.wait(DOT_SECONDS)
            connection.process_replies()
        if not connection.usable and self._verdict is None:
            self.connection_lost("the connection was lost before the message")
        return self._verdict is None

    # Text

    async def feed(self, data: bytes) -> None:
        """Send some bytes; wait while the listener cannot take more."""
        if self._uses_chunks:
            self._buffer += data
            while len(self._buffer) >= CHUNK_SIZE:
                await self._send_chunk(CHUNK_SIZE)
        elif self._verdict is None and data:
            self._send(smtp.BodyChunk(data))
        while self._verdict is None and self._connection.channel.congested:
            await self._connection.wait(COMMAND_SECONDS)
            self._connection.process_replies()

    async def complete(self, proof: CompletionProof) -> None:
        """Send the final dot or chunk: ``proof`` shows that the source sent the whole message."""
        del proof
        connection = self._connection
        if self._uses_chunks:
            await self._send_chunk(len(self._buffer), last=True)
            if connection.pipelining and not connection.machine.lmtp:
                self._send_rset()
            return
        # A reply that came before the end of the text must not count as its answer.
        connection.process_replies()
        if self._verdict is not None:
            return
        self._completed = True
        several = connection.machine.lmtp and len(self._accepted_recipients) > 1
        if connection.pipelining and not several:
            self._send_end()
        else:
            self._send(smtp.EndOfData())

    def _send_end(self) -> None:
        """Send the final dot and RSET together; see ``_send_rset``."""
        try:
            self._connection.machine.send_end()
        except LocalProtocolError as error:
            self._give_up_connection(error)
        else:
            # The text ends the transaction, whatever the reply: a MAIL may follow at once.
            self._connection.transaction_open = False
            self._rset_sent = True

    def _send_rset(self) -> None:
        """Send RSET after the text: its reply proves that the verdict was for this text."""
        if self._verdict is None and self._completed and not self._rset_sent:
            self._rset_sent = True
            self._send(smtp.Rset())

    async def _send_chunk(self, size: int, *, last: bool = False) -> None:
        """Send some octets from the buffer as a chunk, as soon as enough chunks are answered."""
        machine = self._connection.machine
        ahead = MAX_OUTSTANDING_CHUNKS if self._connection.pipelining else 1
        await self._wait_until(lambda: len(machine.outstanding) < ahead)
        if self._verdict is None:
            self._completed = last
            self._send(smtp.Bdat(size, last))
        if self._verdict is None and size:
            self._send(smtp.BodyChunk(bytes(self._buffer[:size])))
        del self._buffer[:size]

    async def outcome(self) -> Outcome:
        """Wait for the verdict."""
        while self._verdict is None:
            await self._wait_until(lambda: False)
        return self._verdict

    def known_outcome(self) -> Outcome | None:
        """Return the verdict if it is already known."""
        self._connection.process_replies()
        return self._verdict

    async def abandon(self) -> None:
        """Close the connection: a text without its end is never accepted (RFC 5321, 4.1.1.10)."""
        if self._verdict is None or self._connection.in_text:
            await self._connection.drop("the delivery was abandoned")

    def release(self) -> None:
        """Do nothing: only the connection is open, and the runtime closes it."""

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition is true or the verdict is known."""
        self._connection.process_replies()
        while self._verdict is None and not condition():
            await self._connection.wait(DOT_SECONDS if self._completed else COMMAND_SECONDS)
            self._connection.process_replies()

    # Replies

    def handle_reply(self, answer: smtp.Answered) -> None:
        """Handle the reply to one of this transaction's commands."""
        reply = answer.reply
        match answer.command:
            case smtp.Mail() if reply.code == 250:
                pass
            case smtp.Mail() if reply.code == 421 and self._connection.has_accepted:
                # Some listeners limit the messages per connection: ready() opens the next one.
                pass
            case smtp.Mail() if not reply.positive:
                # The replies to the rest of the envelope only follow from this refusal.
                self._sender_refused = True
                self._add_refusal(reply)
                self._refuse(verdict_of(reply), f"MAIL FROM: {reply_text(reply)}")
            case smtp.Rcpt(recipient):
                self._handle_recipient_reply(recipient, reply)
            case smtp.Data():
                self._handle_data_reply(reply)
            case smtp.Bdat(last=False) if not reply.positive:
                self._add_refusal(reply)
                self._handle_early_reply(reply)
            case smtp.EndOfData() | smtp.Bdat(last=True):
                self._handle_final_reply(answer)
            case smtp.Rset():
                self._handle_reset_reply(reply)
            case _:
                pass
        if reply.code == 421:
            self._connection.lose(reply_text(reply))

    def _handle_reset_reply(self, reply: smtp.Reply) -> None:
        """Handle the reply to RSET: it is a refusal only if it was meant for the text.

        Some listeners do not know the command, and 421 can come at any time. If the RSET before
        MAIL fails, the old transaction is still open, and a new connection is needed.
        """
        if not (self._rset_sent or reply.positive):
            self._connection.lose(f"RSET: {reply_text(reply)}")
            return
        if reply.positive or reply.code // 10 == SYNTAX_REPLIES or reply.code == 421:
            if self._held_outcome:
                self._connection.hold_verdict(self)
            return
        self._connection.lose(
            f"the reply to RSET was meant for another command: {reply_text(reply)}",
            Mismatch.EXTRA_REFUSAL,
        )

    def _handle_recipient_reply(self, recipient: bytes, reply: smtp.Reply) -> None:
        self._recipient_replies += 1
        if not self._sender_refused:
            self._record_recipient_reply(recipient, reply)
        if self._uses_chunks and self._recipient_replies == len(self._recipients):
            # There is no reply to DATA: the replies to RCPT decide whether text is sent.
            self._may_feed = bool(self._accepted_recipients)
            if not self._accepted_recipients:
                self._conclude()

    def _record_recipient_reply(self, recipient: bytes, reply: smtp.Reply) -> None:
        if reply.positive:
            self._accepted_recipients.append(recipient)
            return
        verdict = verdict_of(reply)
        self._results.append((self._ledger_name(recipient), verdict))
        self._add_refusal(reply, recipient)
        self._refuse(verdict, f"RCPT TO:<{excerpt(recipient)}>: {reply_text(reply)}")

    def _handle_data_reply(self, reply: smtp.Reply) -> None:
        if reply.code == 354 and self._connection.in_text:
            self._may_feed = True
            return
        if reply.code == 354:
            # There is no recipient: an empty text ends this, and no reply to it is acceptance.
            self._accepted_recipients.clear()
            self._send(smtp.EndOfData())
            return
        # Only 354 permits the text, not even 250 does; and no text was sent.
        if self._accepted_recipients:
            self._add_refusal(reply)
            self._refuse(
                Verdict.POSTPONED if reply.positive else verdict_of(reply), reply_text(reply)
            )
        self._conclude()

    def _handle_final_reply(self, answer: smtp.Answered) -> None:
        if not self._accepted_recipients:
            self._conclude()
            return
        if not self._completed:
            self._handle_early_reply(answer.reply)
            return
        # Only the machine knows whether this 2xx is for a text that had a recipient.
        verdict = verdict_of(answer.reply)
        if verdict is Verdict.ACCEPTED and not answer.accepts:
            verdict = Verdict.POSTPONED
        if verdict is not Verdict.ACCEPTED:
            self._text_refused = True
            self._add_refusal(answer.reply, answer.recipient)
            self._refuse(verdict, reply_text(answer.reply))
        self._connection.has_accepted |= verdict is Verdict.ACCEPTED
        named = [answer.recipient] if answer.recipient is not None else self._accepted_recipients
        self._results += [(self._ledger_name(recipient), verdict) for recipient in named]
        if len(self._results) < len(self._recipients):
            return
        self._held_outcome = self._outcome()
        if self._uses_chunks:
            self._send_rset()
        if not self._rset_sent:
            self._connection.hold_verdict(self)

    def _ledger_name(self, recipient: bytes) -> str:
        """Return the ledger's name for a recipient, which is the same at every listener."""
        names = self._parcel.names or self._recipients
        return decoded(dict(zip(self._recipients, names, strict=True)).get(recipient, recipient))

    def _handle_early_reply(self, reply: smtp.Reply) -> None:
        """Handle a reply before the end of the text: it is never acceptance."""
        self._refuse(Verdict.REFUSED if reply.code >= 500 else Verdict.POSTPONED, reply_text(reply))
        self._conclude()
        # A command now could be taken for text, so a new connection is needed.
        self._connection.lose("the listener replied before the end of the text")

    def _add_refusal(self, reply: smtp.Reply, recipient: bytes | None = None) -> None:
        words = b" ".join((b"%d" % reply.code, *reply.lines))
        self._refusals.append(Refusal(reply.code, words, reply.enhanced, recipient))

    def _refuse(self, verdict: Verdict, reason: str) -> None:
        """Record why a recipient or the text is refused: a postponement outweighs a refusal."""
        if self._refusal is None or (
            verdict is Verdict.POSTPONED and self._refusal[0] is Verdict.REFUSED
        ):
            self._refusal = (verdict, reason)

    def _outcome(self) -> Outcome:
        verdict, reason = self._refusal or (Verdict.ACCEPTED, "")
        return Outcome(verdict, reason, tuple(self._results), tuple(self._refusals))

    def _conclude(self) -> None:
        if self._verdict is None:
            self._verdict = self._outcome()
        self._connection.remove(self)

    def release_verdict(self) -> None:
        """Make the held verdict final: every reply has arrived."""
        if self._verdict is None:
            self._verdict = self._held_outcome

    def connection_lost(self, reason: str, mismatch: Mismatch = Mismatch.NONE) -> None:
        """Conclude without a connection: the message is postponed, unless a verdict is held.

        A held verdict counts only if replies and commands are in step. One extra acceptance does no
        harm if every reply to the text was an acceptance, since any of them was the right one.
        """
        if self._verdict is not None:
            return
        harmless = mismatch is Mismatch.EXTRA_ACCEPTANCE and not self._text_refused
        if self._held_outcome and (mismatch is Mismatch.NONE or harmless):
            self._verdict = self._held_outcome
            return
        self._may_reconnect = not (self._may_feed or self._refusal)
        known = () if self._held_outcome else tuple(self._results)
        self._verdict = Outcome(Verdict.POSTPONED, reason, known)


def verdict_of(reply: smtp.Reply) -> Verdict:
    """Return the verdict of a reply: 2xx is acceptance, 5xx is refusal, all others postpone."""
    if reply.positive:
        return Verdict.ACCEPTED
    return Verdict.REFUSED if 500 <= reply.code <= 599 else Verdict.POSTPONED
