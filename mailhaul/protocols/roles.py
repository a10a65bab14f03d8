"""The base classes of clients and of servers, for all protocols."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from .errors import LocalProtocolError, RemoteProtocolError
from .machine import NEED_DATA, DialogueT, HeardT, Machine, NeedData, SaidT
from .sasl.exchange import (
    NO_CHALLENGE,
    Authenticate,
    Challenge,
    Respond,
    ResponseCommand,
    encode_base64,
    read_response,
)
from .transitions import State

if TYPE_CHECKING:
    from .sasl.client_exchange import ClientExchange


class Client(Machine[SaidT, HeardT, DialogueT]):
    """The side that sends commands and holds secrets."""

    GREETING: State
    """The state in which the server's greeting is expected."""
    UNSOLICITED: Sequence[State] = ()
    """States in which no reply is expected, only unsolicited responses."""
    INJECTED: str
    """The error message for unencrypted data after the reply that grants TLS."""

    _secured = False
    _exchange: ClientExchange | None = None
    _read_only = False

    @property
    def read_only(self) -> bool:
        """Whether commands that may change something at the server are refused."""
        return self._read_only

    @property
    def authenticating(self) -> bool:
        """Whether an authentication is in progress, so that received data may be a challenge."""
        return self._exchange is not None

    @property
    def expected(self) -> object:
        """What the server has to send next: the reply to this command, the greeting, or None."""
        if self._place.state in self.UNSOLICITED:
            return None
        command = self._oldest_command()
        if command is None and self._place.state is self.GREETING:
            return self.GREETING
        return command

    def _oldest_command(self) -> object | None:
        """Return the command whose reply is expected next, if there is one."""
        return next(iter(self.outstanding), None)

    def _refuse_to_send(self) -> NoReturn:
        why = "" if self._fault else ": the server has closed"
        raise LocalProtocolError(f"the connection is no longer usable{why}")

    def _check_unharmed(self) -> None:
        if self._fault:
            raise LocalProtocolError("the connection is no longer usable")

    def _start_tls(self) -> None:
        self._check_unharmed()
        state = self.state
        super()._start_tls()
        self._secured = True
        self._forget_announced()
        if len(self._input):
            self._fail(RemoteProtocolError(self.INJECTED, state=state))

    @abstractmethod
    def _forget_announced(self) -> None:
        """Drop the announced capabilities, which may be different from now on."""

    def _begin_exchange(self, command: Authenticate, *, at_once: bool) -> None:
        """Begin an authentication; ``at_once`` means that its initial response was sent."""
        initial = command.initial_response
        plain = None if initial is None else initial.reveal()
        self._hidden.add(plain or b"")
        from .sasl.client_exchange import ClientExchange  # a login command needs none

        self._exchange = ClientExchange(None if at_once else plain)

    def _respond(self, command: ResponseCommand) -> None:
        if self._exchange is None:
            raise LocalProtocolError(NO_CHALLENGE)
        line = self._exchange.respond(command)
        if isinstance(command, Respond):
            self._hidden.add(command.response.reveal())
        self._say(line, b"*")

    def _hear_challenge(self, exchange: ClientExchange, words: bytes) -> Challenge | None:
        """Return the event of a challenge, or None if it was answered here."""
        answer = exchange.challenge(words)
        if isinstance(answer, Challenge):
            return answer
        self._say(answer, b"*")
        return None

    def _show_received(self, line: bytes) -> None:
        """Pass a line of the server to the tap, without a secret that it may echo."""
        if self._line_tap:
            self._line_tap.line("<", self._hidden.clean(line))

    def _check_clear(self) -> None:
        """Raise RemoteProtocolError for unencrypted data before the handshake."""
        if len(self._input):
            raise RemoteProtocolError(self.INJECTED)

    def _fail(self, fault: RemoteProtocolError) -> None:
        super()._fail(fault)
        self._outbox.take()


class Server(Machine[SaidT, HeardT, DialogueT]):
    """The side that receives commands, and answers them one at a time."""

    NOT_READING: Sequence[State]
    """States in which no command is read."""
    HANDOVER: State
    """The state in which received data is dropped, because it was not encrypted."""
    END: HeardT
    """The event that reports that the client has closed the connection."""

    _end_returned = False
    _challenged = False

    def send(self, command: SaidT) -> None:
        """Send an event or a reply.

        Raises LocalProtocolError if it is not allowed now; then nothing is sent.
        """
        # The next command may have arrived already, and may be read after a reply.
        self._drained = False
        super().send(command)

    def _take(self, data: bytes) -> None:
        # Unencrypted data after STARTTLS is dropped, and never executed.
        if self._place.state is not self.HANDOVER:
            self._input.append(data)

    def _challenge(self, command: object, start: bytes, data: bytes) -> None:
        """Send a challenge to the client that sent Authenticate; its next line is the response."""
        not_reading = self._challenged or self._at(*self.NOT_READING)
        if not_reading or not isinstance(command, Authenticate):
            raise LocalProtocolError("a challenge needs an authentication in progress")
        self._say(b"%b %b" % (start, encode_base64(data)), start + b" *")
        self._challenged = True

    def _hear_response(self, line: bytes) -> ResponseCommand:
        self._challenged = False
        if self._line_tap:
            self._line_tap.line("<", b"*")
        return read_response(line)

    def _at_end(self) -> HeardT | NeedData:
        if self._end_returned or self._owes_answer():
            return NEED_DATA
        self._end_returned = True
        return self.END

    @abstractmethod
    def _owes_answer(self) -> bool:
        """Whether a command waits for our reply, and not for more data of the client."""
