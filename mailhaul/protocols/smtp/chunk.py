"""The octets of a BDAT chunk, as a server receives them (RFC 3030, section 2)."""

from __future__ import annotations

from ..input import InputBuffer
from .commands import Bdat


class Chunk:
    """A chunk that is being received. If it is not ``wanted``, its octets are read and dropped."""

    def __init__(self, command: Bdat, *, wanted: bool) -> None:
        self.command = command
        self.wanted = wanted
        self._left = command.size

    def take(self, source: InputBuffer) -> bytes | None:
        """Return the next octets; b"" after the last ones, or None if more data is needed."""
        if not self._left:
            return b""
        octets = source.take(self._left)
        self._left -= len(octets)
        return octets or None
