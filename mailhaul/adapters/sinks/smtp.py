"""SMTP and LMTP as sinks: over TCP, a UNIX socket, or the pipe of a ``plugout`` command.

One connection serves all messages of a poll. Where the server allows pipelining (RFC 2920),
MAIL, RCPT and DATA of a message travel behind the final dot of the one before.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...flows.channel import Channel, Program, describe, next_event
from ...flows.outcome import SinkUnavailable
from ...flows.pace import Pace
from ...flows.requests import Address, Close, Open, RuntimeFault, Wait
from ...flows.sink import Delivery, Parcel
from ...protocols.errors import ProtocolError
from ...protocols.machine import NeedData, Trace
from ...protocols.sasl.exchange import Challenge
from ...protocols.smtp.client import SmtpClient
from ...protocols.smtp.commands import Ehlo, Helo, Quit
from ...protocols.smtp.events import Answered, Closed, Greeted, Reply, SaidGoodbye
from .smtp_delivery import COMMAND_SECONDS, DOT_SECONDS, SmtpDelivery, spoken

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
