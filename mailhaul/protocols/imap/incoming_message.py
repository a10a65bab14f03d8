"""Receive the message of an APPEND, for a server (RFC 3501, 6.3.11; RFC 7888)."""

from __future__ import annotations

from ..input import InputBuffer
from ..limits import Limits
from .commands import AppendChunk, AppendEnd
from .responses import CHUNK, split_literal


class IncomingMessage:
    """A message that is being received, and the line that ends its command.

    ``waits`` is true if the client waits for a ``+`` response before it sends the message.
    ``offered`` is true until the server has requested or refused the message. A refused message
    that the client sends without waiting must still be read.
    """

    def __init__(self, size: int, limits: Limits, *, waits: bool) -> None:
        self.waits = waits
        self.offered = True
        self._limits = limits
        self._left = size
        self._another_followed = False

    def read(self, source: InputBuffer) -> AppendChunk | AppendEnd | None:
        """Return the next part of the message or its end, or None if more data is needed.

        A second literal after the message is skipped, and the command is marked as malformed.
        """
        while True:
            if self._left:
                block = source.take(min(self._left, CHUNK))
                self._left -= len(block)
                if not block:
                    return None
                if not self._another_followed:
                    return AppendChunk(block)
                continue
            line = source.take_line(self._limits.response_line, "command line")
            if line is None:
                return None
            _, size = split_literal(line, self._limits.digits)
            if size is None or not line.endswith(b"+}"):
                return AppendEnd(self._another_followed or line not in {b"", b")"})
            self._another_followed, self._left = True, size
