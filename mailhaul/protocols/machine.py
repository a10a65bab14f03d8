"""What all protocol machines share: their face, their outbox and their trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol


class NeedData:
    """The only instance, NEED_DATA, says: no event until more bytes come."""

    _instance: NeedData | None = None

    def __repr__(self) -> str:
        return "NEED_DATA"


NEED_DATA: Final = NeedData()

Trace = Callable[[str, bytes], None]
"""Called with ">" or "<" and one line of the dialogue, without secrets and message text."""


class Machine(Protocol):
    """The side of a machine that a runtime sees."""

    def receive_data(self, data: bytes) -> None:
        """Take bytes that the peer sent."""
        ...

    def receive_eof(self) -> None:
        """Take note that the peer will send no more."""
        ...

    def data_to_send(self) -> list[bytes]:
        """Hand over, once, the bytes that are due to the peer."""
        ...

    @property
    def unsent(self) -> int:
        """How many bytes ``data_to_send`` would hand over now."""
        ...


class Outbox:
    """Bytes on their way to the peer. Small pieces are joined, large ones go as they are."""

    JOIN_BELOW = 16 * 1024

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._small = bytearray()
        self.size = 0

    def put(self, data: bytes) -> None:
        """Queue bytes behind all that are queued already."""
        self.size += len(data)
        if len(data) < self.JOIN_BELOW:
            self._small += data
            return
        self._seal()
        self._pieces.append(data)

    def take(self) -> list[bytes]:
        """Hand over all that is queued."""
        self._seal()
        pieces, self._pieces = self._pieces, []
        self.size = 0
        return pieces

    def _seal(self) -> None:
        if self._small:
            self._pieces.append(bytes(self._small))
            self._small = bytearray()
