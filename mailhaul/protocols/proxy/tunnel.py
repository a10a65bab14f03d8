"""What the machines of all kinds of proxies have in common: they ask for one tunnel.

The request is in ``data_to_send`` from the start. ``next_event`` returns Connected when the tunnel
is there, or NotConnected. All bytes after that belong to the server at the other end, and may not
be read here: ``wanted`` says how many bytes can be read without taking one of those.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Never

from ..errors import ConnectionLost
from ..limits import DEFAULT_LIMITS
from ..machine import NEED_DATA, DialogueT, Machine, NeedData, Tap
from ..record import Record
from ..transitions import Table


class Connected(Record):
    """The tunnel is there."""


class NotConnected(Record):
    """There is no tunnel, for this ``reason``: a sentence for the user, without a secret."""

    reason: str


Answer = Connected | NotConnected


class Target(Record):
    """Where a tunnel leads to. ``packed`` is a literal address in binary, else b""."""

    host: str
    port: int
    packed: bytes = b""


class TunnelClient(Machine[Never, Answer, DialogueT]):
    """A client that asks a proxy for a tunnel."""

    def __init__(self, table: Table[DialogueT], tap: Tap | None) -> None:
        super().__init__(table, DEFAULT_LIMITS, tap)
        self.answer: Answer | None = None
        """How it ended."""

    @property
    @abstractmethod
    def wanted(self) -> int:
        """Bytes that the proxy has to send before anything else can come; 0 at the end."""

    @property
    def outstanding(self) -> Sequence[object]:
        """Nothing: the request is no command of a caller."""
        return ()

    def _send(self, command: Never, /) -> None:
        raise self._not_allowed("a command")

    def _at_end(self) -> Answer | NeedData:
        if self.answer is not None:
            return NEED_DATA
        raise ConnectionLost("the proxy closed the connection before its answer")

    def _end(self, answer: Answer) -> Answer:
        self.answer = answer
        return answer
