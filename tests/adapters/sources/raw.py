"""A server by a script: a machine without rules."""

from __future__ import annotations

from mailhaul.protocols.outbox import Outbox


class Raw:
    """A machine that returns received data unchanged."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended = False
        self.outbox = Outbox()

    def receive_data(self, data: bytes) -> None:
        self.heard += data

    def receive_eof(self) -> None:
        self.ended = True

    def data_to_send(self) -> list[bytes]:
        return self.outbox.take()

    @property
    def unsent(self) -> int:
        return self.outbox.size
