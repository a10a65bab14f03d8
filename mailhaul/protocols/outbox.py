"""A queue of bytes to send to the peer."""

from __future__ import annotations


class Outbox:
    """Bytes to send. Small pieces are joined; large ones are not copied."""

    __slots__ = ("_pieces", "_small", "size")

    JOIN_BELOW = 16 * 1024

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._small = bytearray()
        self.size = 0

    def put(self, data: bytes) -> None:
        """Append bytes to the queue."""
        self.size += len(data)
        if len(data) < self.JOIN_BELOW:
            self._small += data
            return
        if self._small:
            self._seal()
        self._pieces.append(data)

    def take(self) -> list[bytes]:
        """Remove and return all queued bytes."""
        if not self.size:
            return []
        if self._small:
            self._seal()
        pieces, self._pieces = self._pieces, []
        self.size = 0
        return pieces

    def _seal(self) -> None:
        self._pieces.append(bytes(self._small))
        self._small = bytearray()
