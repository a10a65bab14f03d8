"""A buffer of received bytes, from which lines and blocks are taken."""

from __future__ import annotations

from .errors import LimitExceeded

LINE_ENDS = b"\r\n", b"\n"
LARGE = 64 * 1024
"""Octets. A line of this length or more is copied only once, which takes more steps."""


class InputBuffer:
    """Bytes from the peer that the machine has not read yet.

    A search for a line ending resumes where the last one stopped, so a line that arrives byte by
    byte costs no more than one that arrives whole.
    """

    __slots__ = ("_data", "_searched")

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0

    def __len__(self) -> int:
        return len(self._data)

    def append(self, data: bytes) -> None:
        """Add received bytes."""
        self._data += data

    def head(self, count: int) -> bytes:
        """Return the first bytes, at most ``count``, without taking them."""
        return bytes(self._data[:count])

    def take_line(self, limit: int, name: str = "line") -> bytes | None:
        """Take one line without its line ending. Return None while the line is incomplete.

        A line ends with CRLF, or with a bare LF because some servers send it.
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
        """Take the complete lines in the first ``most`` bytes, with their line endings."""
        return self.take(self._data.rfind(b"\n", 0, most) + 1)

    def take_strict_line(self, limit: int, name: str = "line") -> bytes | None:
        """Take one line as ``take_line`` does, but only CRLF ends it."""
        end = self._data.find(b"\r\n", max(self._searched - 1, 0))
        if end < 0:
            self._searched = len(self._data)
            # A CR at the end may be the first half of the line ending.
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
        """Take up to ``most`` bytes."""
        if most >= len(self._data):
            block = bytes(self._data)
            self._data = bytearray()
        else:
            block = bytes(self._data[:most])
            del self._data[:most]
        self._searched = 0
        return block

    def skip(self, start: bytes) -> bool:
        """Remove these bytes from the front; return False if the data does not begin with them."""
        if not self._data.startswith(start):
            return False
        del self._data[: len(start)]
        self._searched = 0
        return True

    def skip_line_end(self) -> bool:
        """Remove a line end from the front; return False if the data begins with anything else."""
        if not self._data.startswith(LINE_ENDS):
            return False
        return self.skip(b"\r\n") or self.skip(b"\n")

    def find(self, marker: bytes) -> int:
        """Return the position of the first occurrence of ``marker``, or -1."""
        return self._data.find(marker)

    def put_back(self, data: bytes) -> None:
        """Insert bytes at the front, as if they had not been taken."""
        self._data[:0] = data
        self._searched = 0

    def clear(self) -> None:
        """Drop all bytes."""
        self._data = bytearray()
        self._searched = 0
