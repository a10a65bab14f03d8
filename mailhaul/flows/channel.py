"""A channel: one open stream and the machine that speaks on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ..protocols.machine import NeedData
from .requests import Wait

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


M = TypeVar("M", bound=Endpoint)

CONGESTED = 256 * 1024
"""Bytes on their way out above which a flow should wait before it adds more."""
RELIEVED = CONGESTED // 2
"""Bytes that a runtime still holds of a channel that was full, when there is room again."""


@dataclass(eq=False)
class Channel(Generic[M]):
    """One open stream and its machine. The runtime keeps the fields up to date.

    ``peer`` names the other end for people. ``unwritten`` counts bytes that the runtime
    holds, ``failure`` says why the stream broke, ``last_words`` is what a child wrote on
    its standard error (the end of it) and ``exit_status`` how it ended, ``address`` is the
    peer's IP address if it has one, ``remark`` what the peer said
    last that may explain a failure, ``tls`` says whether TLS is spoken. ``pace`` keeps time over
    a peer that has to answer.
    """

    peer: str
    machine: M
    unwritten: int = 0
    failure: str = ""
    last_words: bytes = b""
    address: str = ""
    exit_status: int | None = None
    remark: str = ""
    tls: bool = False
    open: bool = False
    pace: Pace | None = None
    stream: Any = field(default=None, repr=False)

    @property
    def congested(self) -> bool:
        """Whether more output should wait until what is there has left."""
        return self.unwritten + self.machine.unsent > CONGESTED


STATUS_UNKNOWN = 256
"""The status of a program that has ended, and nobody can tell how: SIGCHLD is ignored, or another
part of the process has waited for it. It is no success."""


@dataclass(eq=False)
class Program:
    """A running program. ``status`` is None until it ends, then as os.waitstatus_to_exitcode, or
    STATUS_UNKNOWN.

    ``output`` is the end of what it wrote on standard output and error.
    """

    name: str
    status: int | None = None
    output: bytes = b""
    process: Any = field(default=None, repr=False)


async def next_event(channel: Channel[Any], timeout: float) -> Any:
    """Return the machine's next event, waiting at most ``timeout`` seconds for each news.

    Raises TimedOut, and what the machine's ``next_event`` raises.
    """
    while isinstance(event := channel.machine.next_event(), NeedData):
        await Wait([channel], timeout)
    return event


def describe(channel: Channel[Any], error: Exception) -> str:
    """Say what happened on a channel in one sentence, with what its child said last."""
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
        parts.append(f"- it said: {' / '.join(last.split(chr(10)))}")
    return " ".join(parts)
