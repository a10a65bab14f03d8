"""Bytes received and not yet understood, taken out again as lines and blocks."""

from __future__ import annotations

from .errors import LimitExceeded

LARGE = 64 * 1024
"""Octets of a line from which on it is copied once only, though that takes more steps."""


class InputBuffer:
    """What a peer sent, up to the point where the machine has read it.

    A search for a line end resumes where the last one stopped, so a line that comes
    byte by byte costs no more than one that comes whole.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0

    def __len__(self) -> int:
        return len(self._data)

    def append(self, data: bytes) -> None:
        """Add bytes as they came."""
        self._data += data

    def head(self, count: int) -> bytes:
        """Return the first bytes, at most ``count``, and leave them there."""
        return bytes(self._data[:count])

    def take_line(self, limit: int, name: str = "line") -> bytes | None:
        """Take one line without its line end, or None while it is incomplete.

        CRLF ends a line; a bare LF does too, because servers exist that send it.
        Raises LimitExceeded as soon as the line is longer than ``limit`` bytes.
        """
        end = self._data.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._data)
            if self._searched > limit:
                raise LimitExceeded(name, limit)
            return None
        if end > limit:
            raise LimitExceeded(name, limit)
        stop = end - 1 if end and self._data[end - 1] == 0x0D else end
        if stop < LARGE:
            line = bytes(self._data[:stop])
        else:
            with memoryview(self._data) as view:
                line = bytes(view[:stop])
        del self._data[: end + 1]
        self._searched = 0
        return line

    def take_lines(self, most: int) -> bytes:
        """Take the whole lines among the first ``most`` bytes, line ends and all, or nothing."""
        return self.take(self._data.rfind(b"\n", 0, most) + 1)

    def take_strict_line(self, limit: int, name: str = "line") -> bytes | None:
        """Take one line as ``take_line`` does, where only CRLF ends a line."""
        end = self._data.find(b"\r\n", max(self._searched - 1, 0))
        if end < 0:
            self._searched = len(self._data)
            # A CR at the end may be the first half of the line end.
            if self._searched - self._data.endswith(b"\r") > limit:
                raise LimitExceeded(name, limit)
            return None
        if end > limit:
            raise LimitExceeded(name, limit)
        line = bytes(self._data[:end])
        del self._data[: end + 2]
        self._searched = 0
        return line

    def take(self, most: int) -> bytes:
        """Take up to ``most`` bytes of whatever there is."""
        if most >= len(self._data):
            block = bytes(self._data)
            self._data = bytearray()
        else:
            block = bytes(self._data[:most])
            del self._data[:most]
        self._searched = 0
        return block

    def find(self, marker: bytes) -> int:
        """Return where some bytes stand first, or -1."""
        return self._data.find(marker)

    def put_back(self, data: bytes) -> None:
        """Put bytes before all others, as if they had not been taken."""
        self._data[:0] = data
        self._searched = 0

    def clear(self) -> None:
        """Forget everything."""
        self._data = bytearray()
        self._searched = 0
