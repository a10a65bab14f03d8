"""A channel: one open stream and its protocol machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Never, Protocol, TypeVar

from ..protocols.machine import HeardT, Machine, NeedData, TlsDialogue
from .requests import STATUS_UNKNOWN, Wait

if TYPE_CHECKING:
    from .pace import Pace


class Endpoint(Protocol):
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


M = TypeVar("M", bound=Endpoint, covariant=True)

CONGESTED = 256 * 1024
"""Unwritten bytes above which a flow should wait before it adds more."""
RELIEVED = CONGESTED // 2
"""Unwritten bytes at or below which a channel that was full has room again."""


class Channel(Generic[M]):
    """One open stream and its machine. The runtime keeps the fields up to date.

    The machine is never replaced, so a Channel[ImapClient] is also a Channel[Endpoint].

    ``peer`` is the name of the other end in messages for the user. ``unwritten`` counts the bytes
    that the runtime has not yet written. ``failure`` is the reason why the stream broke.
    ``last_words`` is the end of what a child process wrote to its standard error, and
    ``exit_status`` its exit status. ``address`` is the peer's IP address, if it has one. ``remark``
    is the peer's last text that may explain a failure. ``tls`` is true if the stream is
    encrypted. ``pace`` limits the time that the peer may take for a reply.
    """

    __slots__ = (
        "address",
        "exit_status",
        "failure",
        "last_words",
        "machine",
        "open",
        "pace",
        "peer",
        "remark",
        "stream",
        "tls",
        "unwritten",
    )

    def __init__(self, peer: str, machine: M, *, pace: Pace | None = None) -> None:
        self.peer = peer
        self.machine = machine
        self.pace = pace
        self.unwritten = 0
        self.failure = ""
        self.last_words = b""
        self.address = ""
        self.exit_status: int | None = None
        self.remark = ""
        self.tls = False
        self.open = False
        self.stream: object = None

    @property
    def congested(self) -> bool:
        """Whether a flow should wait for the pending output before it adds more."""
        return self.unwritten + self.machine.unsent > CONGESTED


async def next_event(
    channel: Channel[Machine[Never, HeardT, TlsDialogue]], timeout: float
) -> HeardT:
    """Return the machine's next event. Each wait for more data takes at most ``timeout`` seconds.

    Raises TimedOut, and the errors of the machine's ``next_event``.
    """
    while isinstance(event := channel.machine.next_event(), NeedData):
        await Wait([channel], timeout)
    return event


def describe(channel: Channel[Endpoint], error: Exception) -> str:
    """Describe a channel's error in one sentence, with the last error output of its child."""
    parts = [f"{channel.peer}: {error}"]
    if channel.failure and channel.failure not in parts[0]:
        parts.append(f"({channel.failure})")
    if channel.remark:
        parts.append(f"({channel.remark})")
    if channel.exit_status:
        how = f"status {channel.exit_status}"
        if channel.exit_status < 0:
            how = f"signal {-channel.exit_status}"
        if channel.exit_status == STATUS_UNKNOWN:
            how = "an unknown status"
        parts.append(f"(the command ended with {how})")
    if words := channel.last_words.strip():
        last = words[-400:].decode("utf-8", "replace")
        parts.append(f"- its last output: {' / '.join(last.split(chr(10)))}")
    return " ".join(parts)
