"""The octets that a client announces with BDAT, as a server takes them (RFC 3030, section 2)."""

from __future__ import annotations

from ..input import InputBuffer
from .commands import Bdat


class Chunk:
    """One chunk on its way. What is not ``wanted`` has to be read too, and is dropped."""

    def __init__(self, command: Bdat, *, wanted: bool) -> None:
        self.command = command
        self.wanted = wanted
        self._left = command.size

    def take(self, source: InputBuffer) -> bytes | None:
        """Return octets of it, b"" after the last one, or None until more have come."""
        if not self._left:
            return b""
        octets = source.take(self._left)
        self._left -= len(octets)
        return octets or None
