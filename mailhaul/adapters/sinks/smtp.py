"""SMTP and LMTP as sinks: over TCP, a UNIX socket, or the pipe of a ``plugout`` command.

One connection serves all messages of a poll. Where the server allows pipelining (RFC 2920),
MAIL, RCPT and DATA of a message travel right after the final dot of the one before.

A verdict counts only while replies and commands are in step. So a RSET travels with the final dot:
the reply to it cannot be a refusal, and a reply too many before it would make it one. And a verdict
is held until nothing is outstanding: a reply too few would leave the last command unanswered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...flows.channel import Channel, Program, describe, next_event
from ...flows.outcome import SinkUnavailable
from ...flows.pace import Pace
from ...flows.requests import Address, Close, RuntimeFault, Tcp, TimedOut, Trust, Wait
from ...flows.sink import Delivery, Parcel
from ...protocols.errors import ProtocolError
from ...protocols.machine import NeedData, Trace
from ...protocols.smtp.client import SmtpClient, ends_text
from ...protocols.smtp.commands import Bdat, Quit
from ...protocols.smtp.events import Answered, Closed, SaidGoodbye
from ...protocols.smtp.replies import OutOfStep
from ...protocols.smtp.reply_codes import is_positive
from ..login.smtp import (
    RefusedByServer,
    allowed_methods,
    connect,
    introduce,
    is_local,
    log_in,
    reply_text,
    start_tls,
)
from .smtp_delivery import COMMAND_SECONDS, DOT_SECONDS, Shift, SmtpDelivery

if TYPE_CHECKING:
    from ...protocols.sasl.credentials import Credentials

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
    finds_offers = False

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
        self._held: list[SmtpDelivery] = []
        self._without_ehlo: set[Listener] = set()
        self._unusable = True
        self.transaction_open = False
        """Whether MAIL was sent and neither a text nor RSET has ended it."""
        self.has_taken = False
        """Whether the listener has accepted anything on this connection."""

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
                self.transaction_open = self.has_taken = False
                return
        kind = "LMTP" if self._listener.lmtp else "SMTP"
        raise SinkUnavailable(f"{kind} connect to {'; '.join(problems)}")

    def _new_channel(self, listener: Listener) -> Channel[SmtpClient]:
        machine = SmtpClient(lmtp=listener.lmtp, trace=self._trace)
        pace = Pace(machine, max(self._timeout, DOT_SECONDS))
        return Channel(listener.name, machine, pace=pace)

    async def _greet(self, listener: Listener) -> None:
        """Open one listener and introduce ourselves, by HELO if EHLO is not understood."""
        plain = listener in self._without_ehlo
        await self._connect(listener)
        try:
            await introduce(self.channel, self._helo_name, self._patience, plain=plain)
        except RefusedByServer:
            raise
        except ProtocolError:
            # Some old servers hang up on EHLO, and some answer it as if it were several commands:
            # come back and say HELO (RFC 5321, 3.2).
            if listener.lmtp or plain:
                raise
            await self._hang_up()
            await self._connect(listener)
            await introduce(self.channel, self._helo_name, self._patience, plain=True)
        if self._credentials:
            await self._log_in(listener, self._credentials)

    async def _log_in(self, listener: Listener, held: Credentials) -> None:
        """Log in, or leave: whoever set a password does not want to go on without it.

        Where others could read along, TLS comes first. Nobody said whose certificate to expect: it
        keeps out those who listen, and not one who sits in between.
        """
        channel, address = self.channel, listener.address
        local = is_local(channel, address)
        offered = b"STARTTLS" in channel.machine.extensions
        if offered and not (local and allowed_methods(channel, held, may_show=True)):
            name = address.host if isinstance(address, Tcp) else listener.domain
            trust = Trust(name, verify=False)
            await start_tls(channel, trust, self._helo_name, self._patience)
        await log_in(channel, held, self._patience, may_show=local)

    async def _connect(self, listener: Listener) -> None:
        self._listener = listener
        self.channel = self._new_channel(listener)
        await connect(self.channel, listener.address, self._patience)

    @property
    def _patience(self) -> float:
        """Seconds that the listener has for each answer before there is mail."""
        return max(self._timeout, COMMAND_SECONDS)

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
        """Begin with a message; after the last one at once where the listener allows that."""
        self.hear()
        if self._batch_limit and self._batch == self._batch_limit:
            await self._begin_batch()
        await self.open()
        self._batch += 1
        delivery = SmtpDelivery(self, parcel)
        if self.pipelining and self.free:
            delivery.send_envelope()
        return delivery

    async def _begin_batch(self) -> None:
        """Leave the listener as soon as it has said all that it owes."""
        for delivery in [*self._held, *self._deliveries]:
            await delivery.outcome()
        await self.close()

    @property
    def pipelining(self) -> bool:
        """Whether the listener lets commands run ahead (RFC 2920)."""
        return b"PIPELINING" in self.channel.machine.extensions

    @property
    def free(self) -> bool:
        """Whether the next envelope may go: not before the end of a text is answered, where its
        reply could be taken for that answer.
        """
        machine = self.channel.machine
        texts = [command for command in machine.outstanding if ends_text(command)]
        return not texts or not (machine.lmtp or isinstance(texts[0], Bdat))

    @property
    def usable(self) -> bool:
        """Whether messages can go by this connection."""
        return not self._unusable

    @property
    def in_text(self) -> bool:
        """Whether the connection stands inside a message's text."""
        return self.channel.open and self.channel.machine.state == "body"

    def listening(self) -> Sequence[Channel[Any] | Program]:
        """Return the channel while it is of use: its news is the verdict, or a good-bye.

        What has come is taken in first: a listener that talks without end is not listened to.
        """
        self.hear()
        return [self.channel] if self.channel.open and self.usable else []

    def enter(self, delivery: SmtpDelivery) -> None:
        """Queue a delivery for the replies to come."""
        self._deliveries.append(delivery)

    def leave(self, delivery: SmtpDelivery) -> None:
        """Take a delivery out that is owed no more replies."""
        if delivery in self._deliveries:
            self._deliveries.remove(delivery)

    def hold(self, delivery: SmtpDelivery) -> None:
        """Keep a verdict back until every reply that is due has come.

        Were one missing, each would be taken for that of the command before, and a message would
        be accepted by the reply to another's envelope.
        """
        self.leave(delivery)
        self._held.append(delivery)

    def hear(self) -> None:
        """Take in what the listener has said so far; replies come in the order of commands."""
        try:
            while not isinstance(event := self.channel.machine.next_event(), NeedData):
                match event:
                    case Answered() if self._deliveries:
                        self._deliveries[0].hear(event)
                    case SaidGoodbye(reply):
                        self.lose(reply_text(reply))
                    case Closed():
                        self.lose("the connection was closed")
                    case _:
                        pass
        except OutOfStep as fault:
            self._note_disorder()
            shift = Shift.MISSING
            if fault.too_many:
                shift = Shift.ACCEPTANCE if is_positive(fault.code) else Shift.REFUSAL
            self.lose(describe(self.channel, fault), shift)
        except ProtocolError as error:
            self.lose(describe(self.channel, error))
        if self._held and not self.channel.machine.outstanding:
            held, self._held = self._held, []
            for delivery in held:
                delivery.release()

    def _note_disorder(self) -> None:
        """Say HELO next time to a listener that never came as far as taking a message."""
        if not (self.has_taken or self._listener.lmtp):
            self._without_ehlo.add(self._listener)

    async def wait(self, patience: float) -> None:
        """Wait for the listener. A silence that is too long loses the connection."""
        try:
            await Wait([self.channel], max(self._timeout, patience))
        except RuntimeFault as error:
            # A reply that does not come may be one that was left out before.
            shift = Shift.MISSING if isinstance(error, TimedOut) else Shift.NONE
            self.lose(describe(self.channel, error), shift)
            await self._hang_up()

    def lose(self, why: str, shift: Shift = Shift.NONE) -> None:
        """The connection is no longer usable: what it still owed is not known to be accepted.

        ``shift`` says whether each reply until now was for the command that it seemed to be for.
        """
        deliveries, self._deliveries = self._deliveries, deque()
        held, self._held = self._held, []
        self._unusable = True
        for delivery in [*held, *deliveries]:
            delivery.lose(why, shift)

    async def drop(self, why: str) -> None:
        """Close the connection at once."""
        self.lose(why)
        await self._hang_up()
