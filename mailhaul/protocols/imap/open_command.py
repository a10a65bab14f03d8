"""Commands that are conversations: with literals to be asked for, APPEND and IDLE.

Which step may follow which is in open_command_states.py; authentications are in
../sasl/client_exchange.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..errors import LocalProtocolError, RemoteProtocolError
from . import open_command_states as states
from .commands import Append, Command, Idle
from .events import Idling, ReadyForText


class OpenCommand:
    """A command that is not over when its line is sent.

    Nothing else may be sent meanwhile, and every ``+`` belongs to it. ``literals`` are the pieces
    of it that the server has to ask for.
    """

    def __init__(self, command: Command, literals: Sequence[bytes] = ()) -> None:
        self.command = command
        self._literals = deque(literals)
        self._text_left = command.size if isinstance(command, Append) else 0
        self._place = states.table.begin()
        self._dialogue = states.table.dialogue(self._place)
        if literals:
            self._dialogue.literals_kept()

    @property
    def is_sent(self) -> bool:
        """Whether a server can have carried it out."""
        return not self._literals and not self._text_left

    @property
    def owes_text(self) -> bool:
        """Whether the server reads octets of a message now, whatever it says meanwhile."""
        return self._text_left > 0 and self._place.state is states.invited

    def next_literal(self) -> bytes | None:
        """Return the literal that the server asks for now, or None if it has all of them."""
        if self._place.state is not states.literals:
            return None
        literal = self._literals.popleft()
        if not self._literals:
            self._dialogue.last_literal_sent()
        return literal

    def invite(self, line: bytes) -> ReadyForText | Idling:
        """Return what a ``+`` lets us do. Raises RemoteProtocolError where nothing is left."""
        if self._place.state is states.asking:
            match self.command:
                case Append():
                    self._dialogue.invited()
                    return ReadyForText(self.command)
                case Idle():
                    self._dialogue.invited()
                    return Idling(self.command)
                case _:
                    pass
        raise RemoteProtocolError(NOTHING_TO_SAY, line=line)

    def add_text(self, data: bytes) -> bytes:
        """Return what follows these octets of a message: the end of the command after the last.

        Raises LocalProtocolError for octets that may not be sent.
        """
        command = self.command
        if not isinstance(command, Append) or self._place.state is not states.invited:
            raise LocalProtocolError(NOT_READY)
        if len(data) > self._text_left:
            raise LocalProtocolError("a message is longer than was announced")
        if b"\0" in data and not command.binary:
            raise LocalProtocolError("NUL can be sent as binary only (RFC 3516, 4.4)")
        self._text_left -= len(data)
        if self._text_left:
            return b""
        self._dialogue.finished()
        return b")\r\n" if command.utf8 else b"\r\n"

    def check_done(self) -> None:
        """Raise LocalProtocolError where DONE may not be sent."""
        if not isinstance(self.command, Idle) or self._place.state is not states.invited:
            raise LocalProtocolError(NOT_IDLE)


NOTHING_TO_SAY = "the server asks for more than we have to say"
NOT_READY = "the server has not asked for a message"
NOT_IDLE = "there is no IDLE to be done with"
