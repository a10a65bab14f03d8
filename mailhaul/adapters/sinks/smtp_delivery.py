"""One message on its way to an SMTP or LMTP listener: envelope, text, replies.

The text goes by DATA, its line ends made CRLF and its dots stuffed. To a listener that takes
BINARYMIME it goes as it is, in chunks whose octets are counted beforehand (RFC 3030): then no octet
in it can mean anything.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from ...flows.outcome import Outcome, Refusal, Verdict
from ...flows.sink import Parcel
from ...flows.source import CompletionProof
from ...protocols.dots import normalized
from ...protocols.errors import LocalProtocolError
from ...protocols.message.hosts import domain_part
from ...protocols.smtp.command_lines import encode_command, offers_binary
from ...protocols.smtp.commands import Bdat, BodyChunk, Data, EndOfData, Mail, Rcpt, Rset
from ...protocols.smtp.events import Answered, Reply
from ..login.smtp import reply_text, shown

if TYPE_CHECKING:
    from .smtp import SmtpSink

COMMAND_SECONDS = 300.0
DOT_SECONDS = 600.0
"""What RFC 5321, 4.5.3.2 grants a server at least; a shorter ``timeout`` never cuts it."""
SYNTAX = 50
"""First digits of the replies that are about a command and never about mail (RFC 5321, 4.2.1)."""
CHUNK = 256 * 1024
"""Octets of a BDAT."""
MAX_PIPELINED = 500
"""Recipients that are named in one go."""
CHUNKS_AHEAD = 4
"""Chunks that may go before the answer to the first of them, where that is allowed at all."""


class Shift(Enum):
    """How replies came out of step with commands, as far as it is known."""

    NONE = "none"
    MISSING = "a reply is missing"
    ACCEPTANCE = "one acceptance too many"
    REFUSAL = "one refusal too many"


class SmtpDelivery:
    """One transaction. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: SmtpSink, parcel: Parcel) -> None:
        self._sink = sink
        self._parcel = parcel
        self._begin_anew()

    def _begin_anew(self) -> None:
        domain = self._sink.domain
        self._recipients = recipients_at(self._parcel, domain)
        self._verdict: Outcome | None = None
        self._concluded: Outcome | None = None
        self._marked = False
        self._text_refused = False
        self._lost = False
        self._refusal: tuple[Verdict, str] | None = None
        self._refusals: list[Refusal] = []
        self._sender_refused = False
        self._heard = 0
        self._taken: list[bytes] = []
        self._results: list[tuple[str, Verdict]] = []
        self._envelope_sent = False
        self._go_ahead = False
        self._completed = False
        self._chunked = False
        self._held = bytearray()

    # Envelope

    def send_envelope(self) -> None:
        """Send MAIL, RCPT and DATA in one go, as pipelining allows; not for very many recipients.

        Without this their commands go one by one, and no queue of replies grows with them.
        """
        if len(self._parcel.recipients) > MAX_PIPELINED:
            return
        if self._begin():
            for command in self._script():
                self._say(command)

    def _begin(self) -> bool:
        """Choose the way of the text, and queue for replies; False where that is the end."""
        self._envelope_sent = True
        binary = offers_binary(self._sink.channel.machine.extensions)
        # A header is made of lines (RFC 5322, 2.2), whatever may be in a body.
        self._chunked = binary and normalized(self._parcel.header) == self._parcel.header
        if not self._can_be_said():
            return False
        self._sink.enter(self)
        return True

    def _can_be_said(self) -> bool:
        """Tell whether the listener takes such addresses; if not, that is the verdict.

        Asked before a word is sent: half an envelope would leave replies to nobody.
        """
        machine = self._sink.channel.machine
        try:
            for command in self._script():
                encode_command(command, machine.extensions, lmtp=machine.lmtp)
        except LocalProtocolError as error:
            self._refuse(Verdict.REFUSED, str(error))
            self._conclude()
        return self._verdict is None

    def _script(self) -> list[Rset | Mail | Rcpt | Data]:
        parcel = self._parcel
        reset = [Rset()] if self._sink.transaction_open else []
        offered = b"SMTPUTF8" in self._sink.channel.machine.extensions
        utf8 = offered and not all(recipient.isascii() for recipient in self._recipients)
        size = None if parcel.recoded else parcel.size or None
        body = b"BINARYMIME" if self._chunked else b"8BITMIME"
        mail = Mail(parcel.sender or b"", size, body, utf8)
        recipients = [Rcpt(recipient) for recipient in self._recipients]
        return [*reset, mail, *recipients, *([] if self._chunked else [Data()])]

    def _say(self, command: Rset | Mail | Rcpt | Data | Bdat | BodyChunk | EndOfData) -> None:
        """Send something; a connection that is in no state for it is no longer usable."""
        try:
            self._sink.channel.machine.send(command)
        except LocalProtocolError as error:
            # What came unasked says more about it.
            self._sink.hear()
            self._sink.lose(str(error))
            self.lose(str(error))
            return
        if isinstance(command, EndOfData | Bdat) and self._completed:
            # The text ends the transaction, whatever its answer: a MAIL may follow at once.
            self._sink.transaction_open = False
        elif isinstance(command, Mail):
            self._sink.transaction_open = True
        elif isinstance(command, Rset):
            self._sink.transaction_open = False

    async def ready(self) -> bool:
        """Wait until text may be fed; False when the sink has already refused.

        A connection that was lost while it idled is opened once more: no text has been fed. It may
        lead to another listener, whose local names have another domain.
        """
        await self._negotiate()
        if self._lost:
            await self._sink.open()
            self._begin_anew()
            await self._negotiate()
        return self._go_ahead

    async def _negotiate(self) -> None:
        if not self._envelope_sent and not await self._may_begin():
            return
        if not self._envelope_sent and self._sink.pipelining:
            self.send_envelope()
        if self._envelope_sent:
            await self._until(lambda: self._go_ahead)
            return
        if not self._begin():
            return
        for command in self._script():
            if isinstance(command, Data) and not self._taken:
                self._conclude()
            if self._verdict:
                return
            self._say(command)
            await self._until(lambda: not self._sink.channel.machine.outstanding)
            if isinstance(command, Mail) and self._refusal:
                self._conclude()

    async def _may_begin(self) -> bool:
        """Wait until the listener has answered the text before; False if it is gone by then."""
        sink = self._sink
        sink.hear()
        while sink.usable and not sink.free:
            await sink.wait(DOT_SECONDS)
            sink.hear()
        if not sink.usable and self._verdict is None:
            self.lose("the connection was lost before the message")
        return self._verdict is None

    # Text

    async def feed(self, data: bytes) -> None:
        """Pass some bytes on; wait while the listener has more than it can take."""
        if self._chunked:
            self._held += data
            while len(self._held) >= CHUNK:
                await self._send_chunk(CHUNK)
        elif self._verdict is None and data:
            self._say(BodyChunk(data))
        while self._verdict is None and self._sink.channel.congested:
            await self._sink.wait(COMMAND_SECONDS)
            self._sink.hear()

    async def complete(self, proof: CompletionProof) -> None:
        """Send the final dot, or chunk: ``proof`` says that the source had no more to come."""
        del proof
        if self._chunked:
            await self._send_chunk(len(self._held), last=True)
        else:
            # What was said inside the text is not to be taken for the answer to its end.
            self._sink.hear()
            if self._verdict is None:
                self._completed = True
                self._say(EndOfData())
        machine = self._sink.channel.machine
        several = machine.lmtp and (self._chunked or len(self._taken) > 1)
        if self._sink.pipelining and not several:
            self._mark()

    def _mark(self) -> None:
        """Let a RSET follow: by the reply to it we know that the verdict was for this text."""
        if self._verdict is None and self._completed and not self._marked:
            self._marked = True
            self._say(Rset())

    async def _send_chunk(self, size: int, *, last: bool = False) -> None:
        """Send some octets of what is held, once those before them are answered well enough."""
        machine = self._sink.channel.machine
        ahead = CHUNKS_AHEAD if self._sink.pipelining else 1
        await self._until(lambda: len(machine.outstanding) < ahead)
        if self._verdict is None:
            self._completed = last
            self._say(Bdat(size, last))
        if self._verdict is None and size:
            self._say(BodyChunk(bytes(self._held[:size])))
        del self._held[:size]

    async def outcome(self) -> Outcome:
        """Wait for the verdict."""
        while self._verdict is None:
            await self._until(lambda: False)
        return self._verdict

    def settled(self) -> Outcome | None:
        """Return the verdict if it is known already."""
        self._sink.hear()
        return self._verdict

    async def abandon(self) -> None:
        """Drop the connection: what has no final dot is never accepted (RFC 5321, 4.1.1.10)."""
        if self._verdict is None or self._sink.in_text:
            await self._sink.drop("the message was given up")

    def let_go(self) -> None:
        """Nothing is open but the connection, which the runtime closes."""

    async def _until(self, met: Callable[[], bool]) -> None:
        """Wait until something is met, or the verdict is known."""
        self._sink.hear()
        while self._verdict is None and not met():
            await self._sink.wait(DOT_SECONDS if self._completed else COMMAND_SECONDS)
            self._sink.hear()

    # Replies

    def hear(self, answer: Answered) -> None:
        """Take the reply to one of this transaction's commands."""
        reply = answer.reply
        match answer.command:
            case Mail() if reply.code == 421 and self._sink.has_taken:
                # Many take so many messages from one connection: ready() opens the next.
                pass
            case Mail() if not reply.positive:
                # What is said to the rest of the envelope follows from this, and is not about it.
                self._sender_refused = True
                self._note(reply)
                self._refuse(verdict_of(reply), f"MAIL FROM: {reply_text(reply)}")
            case Rcpt(recipient):
                self._hear_recipient(recipient, reply)
            case Data():
                self._hear_data(reply)
            case Bdat(last=False) if not reply.positive:
                self._note(reply)
                self._hear_early(reply)
            case EndOfData() | Bdat(last=True):
                self._hear_end(answer)
            case Rset():
                self._hear_reset(reply)
            case _:
                pass
        if reply.code == 421:
            self._sink.lose(reply_text(reply))

    def _hear_reset(self, reply: Reply) -> None:
        """Take the reply to RSET: it is never a refusal, unless it was meant for the text.

        Some listeners do not know the command, and 421 can be said at any time. One that goes on
        with the transaction before this message is asked on a new connection.
        """
        if not (self._marked or reply.positive):
            self._sink.lose(f"RSET: {reply_text(reply)}")
            return
        if reply.positive or reply.code // 10 == SYNTAX or reply.code == 421:
            if self._concluded:
                self._sink.hold(self)
            return
        self._sink.lose(f"RSET was answered out of step: {reply_text(reply)}", Shift.REFUSAL)

    def _hear_recipient(self, recipient: bytes, reply: Reply) -> None:
        self._heard += 1
        if not self._sender_refused:
            self._judge_recipient(recipient, reply)
        if self._chunked and self._heard == len(self._recipients):
            # No DATA will say whether text is wanted.
            self._go_ahead = bool(self._taken)
            if not self._taken:
                self._conclude()

    def _judge_recipient(self, recipient: bytes, reply: Reply) -> None:
        if reply.positive:
            self._taken.append(recipient)
            return
        verdict = verdict_of(reply)
        self._results.append((self._name_of(recipient), verdict))
        self._note(reply, recipient)
        self._refuse(verdict, f"RCPT TO:<{shown(recipient)}>: {reply_text(reply)}")

    def _hear_data(self, reply: Reply) -> None:
        if reply.code == 354 and self._sink.in_text:
            self._go_ahead = True
            return
        if reply.code == 354:
            # Nobody will get it: an empty text ends this, and no answer to it is acceptance.
            self._taken.clear()
            self._say(EndOfData())
            return
        # Anything but 354, a 250 too, is no permission; and no text was sent.
        if self._taken:
            self._note(reply)
            self._refuse(
                Verdict.POSTPONED if reply.positive else verdict_of(reply), reply_text(reply)
            )
        self._conclude()

    def _hear_end(self, answer: Answered) -> None:
        if not self._taken:
            self._conclude()
            return
        if not self._completed:
            self._hear_early(answer.reply)
            return
        # The machine alone knows whether this 2xx is about a text that somebody was to get.
        verdict = verdict_of(answer.reply)
        if verdict is Verdict.ACCEPTED and not answer.accepts:
            verdict = Verdict.POSTPONED
        if verdict is not Verdict.ACCEPTED:
            self._text_refused = True
            self._note(answer.reply, answer.recipient)
            self._refuse(verdict, reply_text(answer.reply))
        self._sink.has_taken |= verdict is Verdict.ACCEPTED
        named = [answer.recipient] if answer.recipient is not None else self._taken
        self._results += [(self._name_of(recipient), verdict) for recipient in named]
        if len(self._results) < len(self._recipients):
            return
        self._concluded = self._outcome()
        if self._chunked:
            self._mark()
        if not self._marked:
            self._sink.hold(self)

    def _name_of(self, recipient: bytes) -> str:
        """Return what the ledger calls a recipient: the same at every listener."""
        names = self._parcel.names or self._recipients
        return decoded(dict(zip(self._recipients, names, strict=True)).get(recipient, recipient))

    def _hear_early(self, reply: Reply) -> None:
        """Take what is said in the middle of the text: whatever it is, it is not acceptance."""
        self._refuse(Verdict.REFUSED if reply.code >= 500 else Verdict.POSTPONED, reply_text(reply))
        self._conclude()
        # Whatever is said now could be taken for text: only a new connection helps.
        self._sink.lose("the listener spoke inside the text")

    def _note(self, reply: Reply, recipient: bytes | None = None) -> None:
        words = b" ".join((b"%d" % reply.code, *reply.lines))
        self._refusals.append(Refusal(reply.code, words, reply.enhanced, recipient))

    def _refuse(self, verdict: Verdict, why: str) -> None:
        """Note why the message is not accepted whole: a postponement outweighs a refusal."""
        if self._refusal is None or (
            verdict is Verdict.POSTPONED and self._refusal[0] is Verdict.REFUSED
        ):
            self._refusal = (verdict, why)

    def _outcome(self) -> Outcome:
        verdict, why = self._refusal or (Verdict.ACCEPTED, "")
        return Outcome(verdict, why, tuple(self._results), tuple(self._refusals))

    def _conclude(self) -> None:
        if self._verdict is None:
            self._verdict = self._outcome()
        self._sink.leave(self)

    def release(self) -> None:
        """Every reply has come: the verdict counts."""
        if self._verdict is None:
            self._verdict = self._concluded

    def lose(self, why: str, shift: Shift = Shift.NONE) -> None:
        """The connection is gone before the verdict: the message is asked about again later.

        A verdict that was heard counts, but not where replies are out of step. One acceptance too
        many does no harm where nothing but acceptance was heard: whichever of them was meant.
        """
        if self._verdict is not None:
            return
        harmless = shift is Shift.ACCEPTANCE and not self._text_refused
        if self._concluded and (shift is Shift.NONE or harmless):
            self._verdict = self._concluded
            return
        self._lost = not (self._go_ahead or self._refusal)
        known = () if self._concluded else tuple(self._results)
        self._verdict = Outcome(Verdict.POSTPONED, why, known)


def verdict_of(reply: Reply) -> Verdict:
    """Return what a reply means for a message: only 2xx is acceptance, only 5xx is for good."""
    if reply.positive:
        return Verdict.ACCEPTED
    return Verdict.REFUSED if 500 <= reply.code <= 599 else Verdict.POSTPONED


def recipients_at(parcel: Parcel, domain: str) -> tuple[bytes, ...]:
    """Return the recipients of a parcel where local names have this domain.

    It may have been made for another entry of the hunt list.
    """
    if not parcel.names:
        return parcel.recipients
    return tuple(
        recipient if recipient == name else name + b"@" + domain_part(domain)
        for recipient, name in zip(parcel.recipients, parcel.names, strict=True)
    )


def decoded(address: bytes) -> str:
    """Return an address as text, from which it can be made again."""
    return address.decode("utf-8", "surrogateescape")
