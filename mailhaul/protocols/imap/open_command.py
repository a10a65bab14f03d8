"""Multi-step commands: commands with synchronizing literals, APPEND and IDLE (RFC 3501, 7.5).

open_command_states.py says which steps are allowed; ../sasl/client_exchange.py handles SASL.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import LocalProtocolError, RemoteProtocolError
from . import open_command_states as states
from .client_states import NOT_IDLE, NOT_READY, NOTHING_TO_SEND
from .commands import Append, Command, Idle
from .events import Idling, ReadyForText


class OpenCommand:
    """A command that is not complete when its first line was sent.

    Until it is complete, no other command may be sent, and every ``+`` response belongs to it.
    ``literals`` are the parts that are sent only after a ``+``.
    """

    __slots__ = ("_dialogue", "_literals", "_place", "_text_left", "command")

    def __init__(self, command: Command, literals: Sequence[bytes] = ()) -> None:
        self.command = command
        self._literals = list(literals)
        self._text_left = command.size if isinstance(command, Append) else 0
        self._place = states.table.begin()
        self._dialogue = states.table.dialogue(self._place)
        if literals:
            self._dialogue.literals_kept()

    @property
    def is_sent(self) -> bool:
        """Whether all parts were sent, so that the server can execute the command."""
        return not self._literals and not self._text_left

    @property
    def owes_text(self) -> bool:
        """Whether the server now expects the rest of a message, even after a refusal."""
        return self._text_left > 0 and self._place.state is states.invited

    def next_literal(self) -> bytes | None:
        """Return the next literal to send after a ``+``, or None if all were sent."""
        if self._place.state is not states.literals:
            return None
        literal = self._literals.pop(0)
        if not self._literals:
            self._dialogue.last_literal_sent()
        return literal

    def invite(self, line: bytes) -> ReadyForText | Idling:
        """Return the event for a ``+``. Raises RemoteProtocolError if nothing is left to send."""
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
        raise RemoteProtocolError(NOTHING_TO_SEND, line=line)

    def add_text(self, data: bytes) -> bytes:
        """Return what to send after these octets of a message: the end of the command, or b"".

        Raises LocalProtocolError if the octets cannot be sent.
        """
        command = self.command
        if not isinstance(command, Append) or self._place.state is not states.invited:
            raise LocalProtocolError(NOT_READY)
        if len(data) > self._text_left:
            raise LocalProtocolError("the message is longer than announced")
        if b"\0" in data and not command.binary:
            raise LocalProtocolError("NUL requires a binary APPEND (RFC 3516, section 4.4)")
        self._text_left -= len(data)
        if self._text_left:
            return b""
        self._dialogue.finished()
        return b")\r\n" if command.utf8 else b"\r\n"

    def check_done(self) -> None:
        """Raise LocalProtocolError if DONE is not allowed now."""
        if not isinstance(self.command, Idle) or self._place.state is not states.invited:
            raise LocalProtocolError(NOT_IDLE)
