"""SMTP and LMTP as sinks: over TCP, a UNIX socket, or the pipe of a ``plugout`` command.

One connection is used for all messages of a poll. If the server allows pipelining (RFC 2920), MAIL,
RCPT and DATA of a message are sent right after the final dot of the previous one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...flows.channel import Channel, describe, next_event
from ...flows.outcome import RefusedHere, SinkUnavailable
from ...flows.pace import Pace
from ...flows.requests import Close, Program, RuntimeFault, Tcp, Trust
from ...flows.sink import Delivery, Parcel
from ...protocols.errors import ProtocolError
from ...protocols.machine import Tap
from ...protocols.record import replace
from ...protocols.smtp.client import SmtpClient
from ...protocols.smtp.commands import Quit
from ...protocols.smtp.events import Answered, Closed
from ..login.smtp import (
    NotLoggedIn,
    RefusedByServer,
    TokenRefused,
    allowed_methods,
    connect,
    introduce,
    is_local,
    log_in,
    start_tls,
)
from .smtp_connection import DOT_SECONDS, Listener, SmtpConnection
from .smtp_delivery import COMMAND_SECONDS, SmtpDelivery

if TYPE_CHECKING:
    from ...protocols.sasl.credentials import Credentials
    from ...protocols.secret import Secret
    from ..login.access import TokenSource

    CredentialsFor = Callable[[str], Awaitable[Credentials | None]]

QUIT_SECONDS = 10.0
"""Seconds to wait for the reply to QUIT."""


class SmtpSink:
    """A hunt list of SMTP or LMTP listeners. See ``mailhaul.flows.sink.Sink``.

    With ``credentials``, no mail is delivered to a listener that refuses the login (RFC 4954). They
    may be a function that reads them for a listener before each connection; None means no login.
    ``tokens`` returns, for a listener, what replaces a token that it refuses. After ``batch_limit``
    messages a new connection is opened; 0 means no limit.
    """

    keeps_return_path = False
    finds_offers = False
    lanes = 1
    gathers = False

    def __init__(
        self,
        listeners: Sequence[Listener],
        helo_name: str,
        timeout: float,
        tap: Tap | None = None,
        credentials: Credentials | CredentialsFor | None = None,
        batch_limit: int = 0,
        tokens: Callable[[str], TokenSource] | None = None,
    ) -> None:
        self._credentials = credentials
        self._tokens = tokens
        self._batch_limit = batch_limit
        self._batch = 0
        self._listeners = listeners
        self._helo_name = helo_name.encode("ascii", "replace")
        self._timeout = timeout
        self._tap = tap
        self._without_ehlo: set[Listener] = set()
        self._connection = self._new_connection(listeners[0])

    @property
    def domain(self) -> str:
        """The domain of the current listener, which is added to local names."""
        return self._connection.listener.domain

    @property
    def listener(self) -> Listener:
        """The current listener."""
        return self._connection.listener

    @property
    def channel(self) -> Channel[SmtpClient]:
        """The channel of the current connection."""
        return self._connection.channel

    @property
    def usable(self) -> bool:
        """Whether the connection is open and not known to be lost."""
        return self._connection.usable

    # Connection

    async def open(self) -> None:
        """Connect to the first listener that accepts mail.

        Raises SinkUnavailable, and PollFailed (IOERR) if the password cannot be read.
        """
        await self._usable_connection()

    async def _usable_connection(self) -> SmtpConnection:
        """Return the connection, or a new one if it was lost. Raises SinkUnavailable."""
        lost = self._connection
        if lost.usable:
            return lost
        await Close(lost.channel)
        if lost.out_of_step and not (lost.has_accepted or lost.listener.lmtp):
            self._without_ehlo.add(lost.listener)
        problems: list[str] = []
        for listener in self._listeners:
            try:
                await self._start_session(listener)
            except (RuntimeFault, ProtocolError) as error:
                await Close(self.channel)
                problems.append(describe(self.channel, error))
            except RefusedHere as refusal:
                if len(self._listeners) == 1:
                    raise
                problems.append(str(refusal))
            else:
                self._connection.usable = True
                self._batch = 0
                return self._connection
        kind = "LMTP" if self._connection.listener.lmtp else "SMTP"
        raise SinkUnavailable(f"{kind} connect to {'; '.join(problems)}")

    def _new_connection(self, listener: Listener) -> SmtpConnection:
        machine = SmtpClient(lmtp=listener.lmtp, tap=self._tap)
        pace = Pace(machine, max(self._timeout, DOT_SECONDS))
        channel = Channel(listener.name, machine, pace=pace)
        return SmtpConnection(listener, channel, self._timeout)

    async def _start_session(self, listener: Listener) -> None:
        """Connect to one listener, send EHLO (or HELO if EHLO fails), and log in."""
        plain = listener in self._without_ehlo
        # Before the connection: a command may take a minute, or wait for the user.
        held = self._credentials
        credentials = await held(listener.name) if callable(held) else held
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
            await Close(self.channel)
            await self._connect(listener)
            await introduce(self.channel, self._helo_name, self._reply_timeout, plain=True)
        if credentials:
            await self._log_in(listener, credentials)

    async def _log_in(self, listener: Listener, credentials: Credentials) -> None:
        """Log in, or fail: if a password is configured, mail is not sent without a login.

        On a connection that is not local, TLS is started first. For a token the certificate must
        be valid for the name of the listener. For a password it is not verified, since no option
        names the expected one: so TLS protects it against passive attackers only.
        """
        channel, address = self.channel, listener.address
        local = is_local(channel, address)
        offered = b"STARTTLS" in channel.machine.extensions
        if offered and not (local and allowed_methods(channel, credentials, may_show=True)):
            name = address.host if isinstance(address, Tcp) else listener.domain
            # A token would be usable by anybody who gets it.
            trust = Trust(name, verify=credentials.token is not None)
            await start_tls(channel, trust, self._helo_name, self._reply_timeout)
        if self._tokens is None:
            await log_in(channel, credentials, self._reply_timeout, may_show=local)
        else:
            tokens = self._tokens(listener.name)
            await self._log_in_with_token(tokens, credentials, local=local)

    async def _log_in_with_token(
        self, tokens: TokenSource, credentials: Credentials, *, local: bool
    ) -> None:
        """Log in with a token, and with another one if the listener refuses the first."""
        from ..login.tokens import log_in_with_token

        async def attempt(token: Secret | None) -> TokenRefused | None:
            held = replace(credentials, token=token)
            try:
                await log_in(self.channel, held, self._reply_timeout, may_show=local)
            except TokenRefused as refused:
                return refused
            return None

        refused, advice = await log_in_with_token(
            *(tokens, credentials.token, attempt),
            # A 4xx may pass by itself; 421 also ends the session (RFC 4954, section 6).
            lambda refused: str(refused).encode() if refused and refused.permanent else None,
            lambda refused: refused is None,
        )
        if refused:
            raise NotLoggedIn(f"{refused}{advice}")

    async def _connect(self, listener: Listener) -> None:
        self._connection = self._new_connection(listener)
        await connect(self.channel, listener.address, self._reply_timeout)

    @property
    def _reply_timeout(self) -> float:
        """Seconds to wait for each reply before the first message."""
        return max(self._timeout, COMMAND_SECONDS)

    async def hear_any(self) -> bool:
        """Return False: verdicts come in the order of the offers."""
        return False

    async def close(self) -> None:
        """End the session with QUIT, if the connection still works."""
        channel = self.channel
        if not channel.open:
            return
        try:
            machine = channel.machine
            if not (machine.outstanding or machine.failed or self._connection.in_text):
                machine.send(Quit())
                channel.pace = Pace(machine, QUIT_SECONDS)
                while not isinstance(await next_event(channel, QUIT_SECONDS), Answered | Closed):
                    pass
        except (ProtocolError, RuntimeFault):
            # Every verdict is already known, so an error at the end does not matter.
            pass
        self._connection.usable = False
        await Close(channel)

    # Messages

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin a message; with pipelining, send its envelope at once."""
        self._connection.process_replies()
        if self._batch_limit and self._batch == self._batch_limit:
            await self._end_batch()
        connection = await self._usable_connection()
        self._batch += 1
        delivery = SmtpDelivery(connection, self._usable_connection, parcel)
        if connection.pipelining and connection.may_send_envelope:
            delivery.send_envelope()
        return delivery

    async def _end_batch(self) -> None:
        """Wait for all outstanding verdicts, then close the connection."""
        await self._connection.finish()
        await self.close()

    def listening(self) -> Sequence[Channel[Any] | Program]:
        """Return the channel while it is usable: it receives the verdict or the end of the session.

        Replies that have arrived are processed first. A listener that sends without end breaks the
        protocol there, and is not waited for.
        """
        self._connection.process_replies()
        return [self.channel] if self.channel.open and self._connection.usable else []
