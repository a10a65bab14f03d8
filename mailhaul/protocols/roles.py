"""What the machines of one role share, whatever the protocol."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from .errors import LocalProtocolError, RemoteProtocolError
from .machine import NEED_DATA, DialogueT, HeardT, Machine, NeedData, SaidT
from .transitions import State


class Client(Machine[SaidT, HeardT, DialogueT]):
    """The side that sends commands and has secrets to keep."""

    INJECTED: str
    """What is said of bytes in the clear after the reply that grants TLS."""

    _secured = False

    def _check_usable(self) -> None:
        self._check_unharmed()
        if self._ended:
            raise LocalProtocolError("the connection is no longer usable: the server has closed")

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
        """Forget what the server announced: what it can do may differ from here on."""

    def _check_clear(self) -> None:
        """Refuse what has come in the clear before the handshake."""
        if len(self._input):
            raise RemoteProtocolError(self.INJECTED)

    def _fail(self, fault: RemoteProtocolError) -> None:
        super()._fail(fault)
        self._outbox.take()


class Server(Machine[SaidT, HeardT, DialogueT]):
    """The side that hears commands, and answers them one at a time."""

    DEAF: Sequence[State]
    """States in which nothing is heard."""
    HANDOVER: State
    """The state in which what comes is dropped, for it came in the clear."""
    END: HeardT
    """The event of a client that has closed."""

    _told_end = False

    def _take(self, data: bytes) -> None:
        # What follows STARTTLS in the clear is dropped, not obeyed.
        if self._place.state is not self.HANDOVER:
            self._input.append(data)

    def _at_end(self) -> HeardT | NeedData:
        if self._told_end or self._owes_answer():
            return NEED_DATA
        self._told_end = True
        return self.END

    @abstractmethod
    def _owes_answer(self) -> bool:
        """Whether a command waits for our answer, and nothing of the client's."""
