"""The message that an APPEND brings, as a server takes it (RFC 3501, 6.3.11; RFC 7888)."""

from __future__ import annotations

from ..input import InputBuffer
from ..limits import Limits
from .commands import AppendChunk, AppendEnd
from .responses import CHUNK, split_literal


class IncomingMessage:
    """A message on its way, up to the line that ends its command.

    ``waits`` says that the client sends it only when it is asked for. It is ``offered`` until the
    server has asked for it or refused it; one that is refused, and was sent unasked, still has to
    be read.
    """

    def __init__(self, size: int, limits: Limits, *, waits: bool) -> None:
        self.waits = waits
        self.offered = True
        self._limits = limits
        self._left = size
        self._another_followed = False

    def read(self, source: InputBuffer) -> AppendChunk | AppendEnd | None:
        """Return a piece of it or its end; None until more has come.

        Another message that follows unasked is passed over, and makes the command malformed.
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
