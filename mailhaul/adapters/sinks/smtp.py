"""SMTP and LMTP as sinks: over TCP, a UNIX socket, or the pipe of a ``plugout`` command.

One connection is used for all messages of a poll. If the server allows pipelining (RFC 2920), MAIL,
RCPT and DATA of a message are sent right after the final dot of the previous one.

A verdict counts only if each reply belongs to its command. So RSET is sent after the final dot: the
reply to RSET cannot be a refusal, but after an extra reply, the reply to the text would be taken
for the reply to RSET. And a verdict is held until no command is outstanding: if a reply were
missing, the last command would stay unanswered.
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
from .smtp_delivery import COMMAND_SECONDS, DOT_SECONDS, Mismatch, SmtpDelivery

if TYPE_CHECKING:
    from ...protocols.sasl.credentials import Credentials

QUIT_SECONDS = 10.0
"""Seconds to wait for the reply to QUIT."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One entry of the hunt list. ``name`` is for messages, ``domain`` is added to local names."""

    name: str
    address: Address
    lmtp: bool
    domain: str


class SmtpSink:
    """A hunt list of SMTP or LMTP listeners. See ``mailhaul.flows.sink.Sink``.

    With ``credentials``, no mail is delivered to a listener that refuses the login (RFC 4954).
    After ``batch_limit`` messages a new connection is opened; 0 means no limit.
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
        self._held_verdicts: list[SmtpDelivery] = []
        self._without_ehlo: set[Listener] = set()
        self._unusable = True
        self.transaction_open = False
        """Whether MAIL was sent and the transaction has not been ended by a text or RSET."""
        self.has_accepted = False
        """Whether the listener has accepted anything on this connection."""

    @property
    def domain(self) -> str:
        """The domain of the current listener, which is added to local names."""
        return self._listener.domain

    # Connection

    async def open(self) -> None:
        """Connect to the first listener that accepts mail. Raises SinkUnavailable."""
        if not self._unusable:
            return
        await self._disconnect()
        problems: list[str] = []
        for listener in self._listeners:
            try:
                await self._start_session(listener)
            except (RuntimeFault, ProtocolError) as error:
                await self._disconnect()
                problems.append(describe(self.channel, error))
            else:
                self._unusable = False
                self._batch = 0
                self.transaction_open = self.has_accepted = False
                return
        kind = "LMTP" if self._listener.lmtp else "SMTP"
        raise SinkUnavailable(f"{kind} connect to {'; '.join(problems)}")

    def _new_channel(self, listener: Listener) -> Channel[SmtpClient]:
        machine = SmtpClient(lmtp=listener.lmtp, trace=self._trace)
        pace = Pace(machine, max(self._timeout, DOT_SECONDS))
        return Channel(listener.name, machine, pace=pace)

    async def _start_session(self, listener: Listener) -> None:
        """Connect to one listener, send EHLO (or HELO if EHLO fails), and log in."""
        plain = listener in self._without_ehlo
        await self._connect(listener)
        try:
            await introduce(self.channel, self._helo_name, self._reply_timeout, plain=plain)
        except RefusedByServer:
            raise
        except ProtocolError:
            # Some old servers close the connection after EHLO, and some send several replies to
            # it: reconnect and send HELO (RFC 5321, 3.2).
            if listener.lmtp or plain:
                raise
            await self._disconnect()
            await self._connect(listener)
            await introduce(self.channel, self._helo_name, self._reply_timeout, plain=True)
        if self._credentials:
            await self._log_in(listener, self._credentials)

    async def _log_in(self, listener: Listener, credentials: Credentials) -> None:
        """Log in, or fail: if a password is configured, mail is not sent without a login.

        On a connection that is not local, TLS is started first. The certificate is not verified,
        since no option names the expected one. So TLS protects against passive attackers only.
        """
        channel, address = self.channel, listener.address
        local = is_local(channel, address)
        offered = b"STARTTLS" in channel.machine.extensions
        if offered and not (local and allowed_methods(channel, credentials, may_show=True)):
            name = address.host if isinstance(address, Tcp) else listener.domain
            trust = Trust(name, verify=False)
            await start_tls(channel, trust, self._helo_name, self._reply_timeout)
        await log_in(channel, credentials, self._reply_timeout, may_show=local)

    async def _connect(self, listener: Listener) -> None:
        self._listener = listener
        self.channel = self._new_channel(listener)
        await connect(self.channel, listener.address, self._reply_timeout)

    @property
    def _reply_timeout(self) -> float:
        """Seconds to wait for each reply before the first message."""
        return max(self._timeout, COMMAND_SECONDS)

    async def close(self) -> None:
        """End the session with QUIT, if the connection still works."""
        channel = self.channel
        if not channel.open:
            return
        try:
            if not channel.machine.outstanding and channel.machine.state not in {"body", "error"}:
                channel.machine.send(Quit())
                channel.pace = Pace(channel.machine, QUIT_SECONDS)
                while not isinstance(await next_event(channel, QUIT_SECONDS), Answered | Closed):
                    pass
        except (ProtocolError, RuntimeFault):
            # Every verdict is already known, so an error at the end does not matter.
            pass
        await self._disconnect()

    async def _disconnect(self) -> None:
        self._unusable = True
        await Close(self.channel)

    # Messages

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin a message; with pipelining, send its envelope at once."""
        self.process_replies()
        if self._batch_limit and self._batch == self._batch_limit:
            await self._end_batch()
        await self.open()
        self._batch += 1
        delivery = SmtpDelivery(self, parcel)
        if self.pipelining and self.may_send_envelope:
            delivery.send_envelope()
        return delivery

    async def _end_batch(self) -> None:
        """Wait for all outstanding verdicts, then close the connection."""
        for delivery in [*self._held_verdicts, *self._deliveries]:
            await delivery.outcome()
        await self.close()

    @property
    def pipelining(self) -> bool:
        """Whether the listener allows pipelining (RFC 2920)."""
        return b"PIPELINING" in self.channel.machine.extensions

    @property
    def may_send_envelope(self) -> bool:
        """Whether the next envelope may be sent before the end of the last text is answered.

        It may not if a reply to it could be taken for the answer to that text.
        """
        machine = self.channel.machine
        texts = [command for command in machine.outstanding if ends_text(command)]
        return not texts or not (machine.lmtp or isinstance(texts[0], Bdat))

    @property
    def usable(self) -> bool:
        """Whether messages can be sent on this connection."""
        return not self._unusable

    @property
    def in_text(self) -> bool:
        """Whether the text of a message is being sent."""
        return self.channel.open and self.channel.machine.state == "body"

    def listening(self) -> Sequence[Channel[Any] | Program]:
        """Return the channel while it is usable: it receives the verdict or the end of the session.

        Replies that have arrived are processed first. A listener that sends without end breaks the
        protocol there, and is not waited for.
        """
        self.process_replies()
        return [self.channel] if self.channel.open and self.usable else []

    def add_delivery(self, delivery: SmtpDelivery) -> None:
        """Add a delivery, which will get the replies to its commands."""
        self._deliveries.append(delivery)

    def remove_delivery(self, delivery: SmtpDelivery) -> None:
        """Remove a delivery that expects no more replies."""
        if delivery in self._deliveries:
            self._deliveries.remove(delivery)

    def hold_verdict(self, delivery: SmtpDelivery) -> None:
        """Hold the verdict of a delivery until every outstanding reply has arrived.

        If a reply were missing, each later reply would be taken for the reply to the previous
        command, and a reply to the next envelope could count as the acceptance of this message.
        """
        self.remove_delivery(delivery)
        self._held_verdicts.append(delivery)

    def process_replies(self) -> None:
        """Process the replies that have arrived; they come in the order of the commands."""
        try:
            while not isinstance(event := self.channel.machine.next_event(), NeedData):
                match event:
                    case Answered() if self._deliveries:
                        self._deliveries[0].handle_reply(event)
                    case SaidGoodbye(reply):
                        self.connection_lost(reply_text(reply))
                    case Closed():
                        self.connection_lost("the connection was closed")
                    case _:
                        pass
        except OutOfStep as fault:
            self._avoid_ehlo()
            mismatch = Mismatch.MISSING_REPLY
            if fault.too_many:
                mismatch = (
                    Mismatch.EXTRA_ACCEPTANCE if is_positive(fault.code) else Mismatch.EXTRA_REFUSAL
                )
            self.connection_lost(describe(self.channel, fault), mismatch)
        except ProtocolError as error:
            self.connection_lost(describe(self.channel, error))
        if self._held_verdicts and not self.channel.machine.outstanding:
            held, self._held_verdicts = self._held_verdicts, []
            for delivery in held:
                delivery.release_verdict()

    def _avoid_ehlo(self) -> None:
        """Use HELO next time for a listener that has not accepted a message."""
        if not (self.has_accepted or self._listener.lmtp):
            self._without_ehlo.add(self._listener)

    async def wait(self, timeout: float) -> None:
        """Wait for the listener. After a timeout the connection is closed."""
        try:
            await Wait([self.channel], max(self._timeout, timeout))
        except RuntimeFault as error:
            # After a timeout it is possible that an earlier reply was missing.
            mismatch = Mismatch.MISSING_REPLY if isinstance(error, TimedOut) else Mismatch.NONE
            self.connection_lost(describe(self.channel, error), mismatch)
            await self._disconnect()

    def connection_lost(self, reason: str, mismatch: Mismatch = Mismatch.NONE) -> None:
        """Give up the connection: the outstanding messages do not count as accepted.

        ``mismatch`` tells how replies and commands may have got out of step.
        """
        deliveries, self._deliveries = self._deliveries, deque()
        held, self._held_verdicts = self._held_verdicts, []
        self._unusable = True
        for delivery in [*held, *deliveries]:
            delivery.connection_lost(reason, mismatch)

    async def drop(self, reason: str) -> None:
        """Close the connection at once."""
        self.connection_lost(reason)
        await self._disconnect()
