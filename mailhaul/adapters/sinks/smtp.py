"""SMTP and LMTP as sinks: over TCP, a UNIX socket, or the pipe of a ``plugout`` command.

One connection serves all messages of a poll. Where the server allows pipelining (RFC 2920),
MAIL, RCPT and DATA of a message travel behind the final dot of the one before.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...flows.channel import Channel, Program, describe, next_event
from ...flows.outcome import Outcome, Refusal, SinkUnavailable, Verdict
from ...flows.pace import Pace
from ...flows.requests import Address, Close, Open, RuntimeFault, Wait
from ...flows.sink import Delivery, Parcel
from ...flows.source import Complete
from ...protocols.errors import LocalProtocolError, ProtocolError
from ...protocols.machine import NeedData, Trace
from ...protocols.sasl.exchange import Challenge
from ...protocols.smtp.client import SmtpClient
from ...protocols.smtp.command_lines import encode_command
from ...protocols.smtp.commands import (
    BodyChunk,
    Data,
    Ehlo,
    EndOfData,
    Helo,
    Mail,
    Quit,
    Rcpt,
    Rset,
)
from ...protocols.smtp.events import Answered, Closed, Greeted, Reply, SaidGoodbye

if TYPE_CHECKING:
    from ...protocols.sasl.credentials import Credentials

COMMAND_SECONDS = 300.0
DOT_SECONDS = 600.0
"""What RFC 5321, 4.5.3.2 grants a server at least; a shorter ``timeout`` never cuts it."""
GOODBYE = 10.0


@dataclass(frozen=True, slots=True)
class Listener:
    """One entry of the hunt list. ``name`` is for people, ``domain`` for local names."""

    name: str
    address: Address
    lmtp: bool
    domain: str


class SmtpSink:
    """A hunt list of SMTP or LMTP listeners. See ``mailhaul.flows.sink.Sink``.

    With ``credentials`` no mail is handed to a listener that does not let us log in (RFC 4954).
    After ``batch_limit`` messages a new connection is made; 0 means that one is enough.
    """

    keeps_return_path = False

    def __init__(
        self,
        listeners: Sequence[Listener],
        helo_name: str,
        timeout: float,
        trace: Trace | None = None,
        credentials: Credentials | None = None,
        batch_limit: int = 0,
    ) -> None:
        self._credentials = credentials
        self._batch_limit = batch_limit
        self._batch = 0
        self._listeners = listeners
        self._helo_name = helo_name.encode("ascii", "replace")
        self._timeout = timeout
        self._trace = trace
        self._listener = listeners[0]
        self.channel: Channel[SmtpClient] = self._new_channel(self._listener)
        self._deliveries: deque[SmtpDelivery] = deque()
        self._unusable = True
        self.transaction_open = False
        """Whether MAIL was sent and neither a text nor RSET has ended it."""

    @property
    def domain(self) -> str:
        """The domain of the listener in use: local names are given it."""
        return self._listener.domain

    # Coming and going

    async def open(self) -> None:
        """Connect to the first listener that takes mail. Raises SinkUnavailable."""
        if not self._unusable:
            return
        await self._hang_up()
        problems: list[str] = []
        for listener in self._listeners:
            try:
                await self._greet(listener)
            except (RuntimeFault, ProtocolError) as error:
                await self._hang_up()
                problems.append(describe(self.channel, error))
            else:
                self._unusable = False
                self._batch = 0
                self.transaction_open = False
                return
        kind = "LMTP" if self._listener.lmtp else "SMTP"
        raise SinkUnavailable(f"{kind} connect to {'; '.join(problems)}")

    def _new_channel(self, listener: Listener) -> Channel[SmtpClient]:
        machine = SmtpClient(lmtp=listener.lmtp, trace=self._trace)
        pace = Pace(machine, max(self._timeout, DOT_SECONDS))
        return Channel(listener.name, machine, pace=pace)

    async def _greet(self, listener: Listener) -> None:
        """Open one listener and introduce ourselves, by HELO if EHLO is not understood."""
        await self._connect(listener)
        try:
            refusal = await self._introduce(Ehlo(self._helo_name))
        except ProtocolError:
            # Some old servers hang up on EHLO: come back and say HELO (RFC 5321, 3.2).
            if listener.lmtp:
                raise
            await self._hang_up()
            await self._connect(listener)
            refusal = await self._introduce(Helo(self._helo_name))
        if refusal and not listener.lmtp:
            refusal = await self._introduce(Helo(self._helo_name))
        if refusal:
            raise RefusedByListener(refusal)
        if self._credentials:
            await self._log_in(self._credentials)

    async def _log_in(self, held: Credentials) -> None:
        """Log in, or leave: who set a password does not want to go on without it."""
        from ...flows.authenticate import authenticate
        from ...protocols.sasl.choose import choose, make_client
        from ...protocols.sasl.errors import SaslError

        announced = self.channel.machine.extensions.get(b"AUTH", b"").upper().split()
        ways = choose(announced, held, protected=self.channel.tls, plain_in_clear=True)
        if not ways:
            raise NotLoggedIn("the listener offers no way to log in (AUTH)")
        nonce = os.urandom(18).hex().encode("ascii")
        mechanism = make_client(ways[0], held, nonce=nonce, announced=announced)
        answer, fault = await authenticate(self.channel, mechanism, self._decision)
        try:
            if answer.reply.positive:
                mechanism.finish()
        except SaslError as error:
            fault = error
        if fault:
            raise NotLoggedIn(f"{ways[0].decode('ascii')} went wrong: {fault.problem}")
        if not answer.reply.positive:
            raise RefusedByListener(answer.reply)

    async def _decision(self) -> Answered | Challenge:
        """Wait for a challenge, or for the answer to AUTH."""
        while True:
            event = await next_event(self.channel, max(self._timeout, COMMAND_SECONDS))
            if isinstance(event, Answered | Challenge):
                return event

    async def _connect(self, listener: Listener) -> None:
        self._listener = listener
        self.channel = self._new_channel(listener)
        patience = max(self._timeout, COMMAND_SECONDS)
        await Open(self.channel, listener.address, patience)
        while True:
            match await next_event(self.channel, patience):
                case Greeted(reply) if reply.code == 220:
                    return
                case Greeted(reply) | SaidGoodbye(reply):
                    raise RefusedByListener(reply)
                case _:
                    pass

    async def _introduce(self, command: Ehlo | Helo) -> Reply | None:
        """Say EHLO, LHLO or HELO; return the reply if it is a refusal."""
        self.channel.machine.send(command)
        while True:
            event = await next_event(self.channel, max(self._timeout, COMMAND_SECONDS))
            if isinstance(event, Answered):
                return None if event.reply.positive else event.reply

    async def close(self) -> None:
        """Say QUIT, if there is still somebody to say it to."""
        channel = self.channel
        if not channel.open:
            return
        try:
            if not channel.machine.outstanding and channel.machine.state not in {"body", "error"}:
                channel.machine.send(Quit())
                channel.pace = Pace(channel.machine, GOODBYE)
                while not isinstance(await next_event(channel, GOODBYE), Answered | Closed):
                    pass
        except (ProtocolError, RuntimeFault):
            # Every verdict is known by now; how the listener hangs up is its affair.
            pass
        await self._hang_up()

    async def _hang_up(self) -> None:
        self._unusable = True
        await Close(self.channel)

    # Messages

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin with a message; behind the last one where the listener allows that."""
        self.hear()
        if self._batch_limit and self._batch == self._batch_limit:
            await self._begin_batch()
        await self.open()
        self._batch += 1
        delivery = SmtpDelivery(self, parcel)
        if self.pipelining:
            delivery.send_envelope()
        return delivery

    async def _begin_batch(self) -> None:
        """Leave the listener as soon as it has said all that it owes."""
        while self._deliveries:
            await self._deliveries[0].outcome()
        await self.close()

    @property
    def pipelining(self) -> bool:
        """Whether the listener lets commands run ahead (RFC 2920)."""
        return b"PIPELINING" in self.channel.machine.extensions

    @property
    def in_text(self) -> bool:
        """Whether the connection stands inside a message's text."""
        return self.channel.open and self.channel.machine.state == "body"

    def listening(self) -> Sequence[Channel[Any] | Program]:
        """Return the channel while it is open: its news is the verdict, or a good-bye."""
        return [self.channel] if self.channel.open else []

    def enter(self, delivery: SmtpDelivery) -> None:
        """Queue a delivery for the replies to come."""
        self._deliveries.append(delivery)

    def leave(self, delivery: SmtpDelivery) -> None:
        """Take a delivery out that is owed no more replies."""
        if delivery in self._deliveries:
            self._deliveries.remove(delivery)

    def hear(self) -> None:
        """Take in what the listener has said so far; replies come in the order of commands."""
        try:
            while not isinstance(event := self.channel.machine.next_event(), NeedData):
                match event:
                    case Answered() if self._deliveries:
                        self._deliveries[0].hear(event)
                    case SaidGoodbye(reply):
                        self.lose(spoken(reply))
                    case Closed():
                        self.lose("the connection was closed")
                    case _:
                        pass
        except ProtocolError as error:
            self.lose(describe(self.channel, error))

    async def wait(self, patience: float) -> None:
        """Wait for the listener. A silence that is too long loses the connection."""
        try:
            await Wait([self.channel], max(self._timeout, patience))
        except RuntimeFault as error:
            self.lose(describe(self.channel, error))
            await self._hang_up()

    def lose(self, why: str) -> None:
        """The connection is of no more use: what it still owed is not known to be accepted."""
        deliveries, self._deliveries = self._deliveries, deque()
        for delivery in deliveries:
            delivery.lose(why)
        self._unusable = True

    async def drop(self, why: str) -> None:
        """Close the connection at once."""
        self.lose(why)
        await self._hang_up()


class RefusedByListener(ProtocolError):
    """The listener does not want to talk to us."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(spoken(reply))


class NotLoggedIn(ProtocolError):
    """The listener does not know us; the text is for people."""


class SmtpDelivery:
    """One transaction. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: SmtpSink, parcel: Parcel) -> None:
        self._sink = sink
        self._parcel = parcel
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._verdict: Outcome | None = None
        self._lost = False
        self._refusal: tuple[Verdict, str] | None = None
        self._refusals: list[Refusal] = []
        self._sender_refused = False
        self._taken: list[bytes] = []
        self._results: list[tuple[str, Verdict]] = []
        self._envelope_sent = False
        self._go_ahead = False
        self._completed = False

    # Envelope

    def send_envelope(self) -> None:
        """Send MAIL, RCPT and DATA in one go, as pipelining allows."""
        self._envelope_sent = True
        if not self._can_be_said():
            return
        self._sink.enter(self)
        for command in self._script():
            self._say(command)

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
        utf8 = offered and not all(recipient.isascii() for recipient in parcel.recipients)
        mail = Mail(parcel.sender or b"", parcel.size or None, b"8BITMIME", utf8)
        recipients = [Rcpt(recipient) for recipient in parcel.recipients]
        return [*reset, mail, *recipients, Data()]

    def _say(self, command: Rset | Mail | Rcpt | Data | BodyChunk | EndOfData) -> None:
        """Send something; a connection that is in no state for it is of no more use."""
        try:
            self._sink.channel.machine.send(command)
        except LocalProtocolError as error:
            self._sink.lose(str(error))
            self.lose(str(error))
            return
        if isinstance(command, EndOfData):
            # The text ends the transaction, whatever its answer: a MAIL may follow at once.
            self._sink.transaction_open = False
        elif isinstance(command, Mail):
            self._sink.transaction_open = True
        elif isinstance(command, Rset):
            self._sink.transaction_open = False

    async def ready(self) -> bool:
        """Wait until text may be fed; False when the sink has already refused.

        A connection that was lost while it idled is opened once more: no text has been fed.
        """
        await self._negotiate()
        if self._lost:
            self._begin_anew()
            await self._sink.open()
            await self._negotiate()
        return self._go_ahead

    async def _negotiate(self) -> None:
        if not self._envelope_sent and self._sink.pipelining:
            self.send_envelope()
        if self._envelope_sent:
            await self._until(lambda: self._go_ahead)
            return
        self._envelope_sent = True
        if not self._can_be_said():
            return
        self._sink.enter(self)
        for command in self._script():
            if isinstance(command, Data) and not self._taken:
                self._conclude()
            if self._verdict:
                return
            self._say(command)
            await self._until(lambda: not self._sink.channel.machine.outstanding)
            if isinstance(command, Mail) and self._refusal:
                self._conclude()

    # Text

    async def feed(self, data: bytes) -> None:
        """Pass some bytes on; wait while the listener has more than it can take."""
        if self._verdict is None and data:
            self._say(BodyChunk(data))
        while self._verdict is None and self._sink.channel.congested:
            await self._sink.wait(COMMAND_SECONDS)
            self._sink.hear()

    async def complete(self, proof: Complete) -> None:
        """Send the final dot: ``proof`` says that the source had no more to come."""
        del proof
        if self._verdict is None:
            self._completed = True
            self._say(EndOfData())

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
            case Mail() if not reply.positive:
                # What is said to the rest of the envelope follows from this, and is not about it.
                self._sender_refused = True
                self._note(reply)
                self._refuse(verdict_of(reply), f"MAIL FROM: {spoken(reply)}")
            case Rcpt(recipient) if not self._sender_refused:
                self._hear_recipient(recipient, reply)
            case Data():
                self._hear_data(reply)
            case EndOfData():
                self._hear_end(answer)
            case _:
                pass
        if reply.code == 421:
            self._sink.lose(spoken(reply))

    def _hear_recipient(self, recipient: bytes, reply: Reply) -> None:
        if reply.positive:
            self._taken.append(recipient)
            return
        verdict = verdict_of(reply)
        self._results.append((decoded(recipient), verdict))
        self._note(reply, recipient)
        self._refuse(verdict, f"RCPT TO:<{shown(recipient)}>: {spoken(reply)}")

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
            self._refuse(Verdict.POSTPONED if reply.positive else verdict_of(reply), spoken(reply))
        self._conclude()

    def _hear_end(self, answer: Answered) -> None:
        if not self._taken:
            self._conclude()
            return
        if not self._completed:
            # Spoken in the middle of the text: whatever it says, it is not acceptance.
            early = Verdict.REFUSED if answer.reply.code >= 500 else Verdict.POSTPONED
            self._refuse(early, spoken(answer.reply))
            self._conclude()
            # Whatever is said now could be taken for text: only a new connection helps.
            self._sink.lose("the listener spoke inside the text")
            return
        # The machine alone knows whether this 2xx is about a text that somebody was to get.
        verdict = verdict_of(answer.reply)
        if verdict is Verdict.ACCEPTED and not answer.accepts:
            verdict = Verdict.POSTPONED
        if verdict is not Verdict.ACCEPTED:
            self._note(answer.reply, answer.recipient)
            self._refuse(verdict, spoken(answer.reply))
        named = [answer.recipient] if answer.recipient is not None else self._taken
        self._results += [(decoded(recipient), verdict) for recipient in named]
        if len(self._results) >= len(self._parcel.recipients):
            self._conclude()

    def _note(self, reply: Reply, recipient: bytes | None = None) -> None:
        words = b" ".join((b"%d" % reply.code, *reply.lines))
        self._refusals.append(Refusal(reply.code, words, reply.enhanced, recipient))

    def _refuse(self, verdict: Verdict, why: str) -> None:
        """Note why the message is not accepted whole: a postponement outweighs a refusal."""
        if self._refusal is None or (
            verdict is Verdict.POSTPONED and self._refusal[0] is Verdict.REFUSED
        ):
            self._refusal = (verdict, why)

    def _conclude(self) -> None:
        if self._verdict is None:
            verdict, why = self._refusal or (Verdict.ACCEPTED, "")
            self._verdict = Outcome(verdict, why, tuple(self._results), tuple(self._refusals))
        self._sink.leave(self)

    def lose(self, why: str) -> None:
        """The connection is gone before the verdict: the message is asked about again later."""
        if self._verdict is None:
            self._lost = not (self._go_ahead or self._refusal)
            self._verdict = Outcome(Verdict.POSTPONED, why, tuple(self._results))


def verdict_of(reply: Reply) -> Verdict:
    """Return what a reply means for a message: only 2xx is acceptance, only 5xx is for good."""
    if reply.positive:
        return Verdict.ACCEPTED
    return Verdict.REFUSED if 500 <= reply.code <= 599 else Verdict.POSTPONED


def spoken(reply: Reply) -> str:
    """Return a reply as one line of text."""
    text = b" ".join(line.strip() for line in reply.lines)
    return f"{reply.code} {shown(text)}".strip()


def decoded(address: bytes) -> str:
    """Return an address as text, from which it can be made again."""
    return address.decode("utf-8", "surrogateescape")


def shown(text: bytes) -> str:
    """Return bytes from the wire as text, cut to a length that fits a line."""
    return text[:300].decode("utf-8", "replace")
