"""One open stream: bytes between a machine and a non-blocking socket, TLS included."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from ..flows.channel import Channel, Endpoint
from ..flows.requests import OpenFailed, TlsFailed

if TYPE_CHECKING:
    from .tls import TlsLayer

READ_SIZE = 256 * 1024
VECTOR = 64
"""Pieces handed to one sendmsg call; every system takes that many."""
SEGMENT = 1220
"""Less than this fills no segment of TCP, over IPv6 either."""
QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""An option of Linux."""


class Socket(Protocol):
    """A connected socket that does not block, or something that behaves like one."""

    def fileno(self) -> int:
        """Return its number, for a driver to wait for."""
        ...

    def recv(self, bufsize: int, /) -> bytes:
        """Return bytes that have arrived. Raises OSError."""
        ...

    def sendmsg(self, buffers: Sequence[memoryview], /) -> int:
        """Send what there is room for; return how many bytes. Raises OSError."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Process(Protocol):
    """A child process, or something that behaves like one."""

    status: int | None
    exit_fd: int | None

    def poll(self) -> int | None:
        """Return the exit status if it has ended."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal."""
        ...

    def kill_now(self) -> None:
        """Kill it and take its status."""
        ...


class Output(Protocol):
    """What a child process writes, of which the end is kept."""

    fd: int
    open: bool
    kept: bytes

    def drain(self) -> None:
        """Read what has arrived."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class Stream:
    """One open stream: a channel, its socket, and its child process if it has one.

    ``flush`` and ``fill`` never block. A broken stream is reported to the machine as end
    of input, after all that came before it; ``channel.failure`` gives the reason.
    """

    __slots__ = (
        "_broken", "_unanswered", "channel", "child", "ended", "errors", "queue", "sock", "tls",
    )  # fmt: skip

    def __init__(
        self, channel: Channel[Endpoint], sock: Socket, child: Process | None, errors: Output | None
    ) -> None:
        self.channel = channel
        self.sock = sock
        self.child = child
        self.errors = errors
        self.tls: TlsLayer | None = None
        self.ended = False
        self._broken = False
        self._unanswered = False
        # Not a deque: an empty one takes 760 octets, and most connections wait for news.
        self.queue: list[memoryview] = []

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self.sock.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits for room in the socket."""
        return bool(self.queue) and not self._broken

    def flush(self) -> None:
        """Take the machine's output and write as much as the socket accepts."""
        for piece in self.channel.machine.data_to_send():
            if self.tls:
                self._encrypt(self.tls, piece)
            else:
                self._put(piece)
        self.flush_raw()

    def _encrypt(self, tls: TlsLayer, piece: bytes) -> None:
        try:
            tls.write(piece)
        except TlsFailed as fault:
            self._fail(str(fault))

    def flush_raw(self) -> None:
        """Write what is queued, and the output of the TLS layer."""
        if self.tls and (ciphertext := self.tls.to_send()):
            self._put(ciphertext)
        while self.queue and not self._broken:
            try:
                sent = self.sock.sendmsg(self.queue[:VECTOR])
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # Only writing ends here: what the peer sent last has still to be read.
                self._fail(error.strerror or str(error))
                return
            self._unanswered = False
            self._drop(sent)

    def acknowledge(self) -> None:
        """Acknowledge at once what came last, if it was short and nothing was sent since.

        Linux waits up to 40 ms for something to send with the acknowledgement. A peer that writes
        each of several replies on its own waits for it before the next one (RFC 1122, 4.2.3.4).
        """
        if self._unanswered and self.channel.address and isinstance(self.sock, socket.socket):
            self._unanswered = False
            with suppress(OSError):
                self.sock.setsockopt(socket.IPPROTO_TCP, QUICKACK or 0, 1)

    def fill(self) -> bool:
        """Read once and pass it to the machine; return True if there was anything new."""
        if self.ended:
            return False
        data = self._receive()
        if self.tls:
            return self._fill_through_tls(self.tls, data)
        if data:
            self._pass_to_machine(data)
        elif data is not None:
            self._end()
        return data is not None

    def _receive(self) -> bytes | None:
        """Return bytes, b"" at the end of input, None when nothing has arrived."""
        try:
            data = self.sock.recv(READ_SIZE)
            self._unanswered = QUICKACK is not None and len(data) < SEGMENT
            return data
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            self._fail(error.strerror or str(error))
            return b""

    def _fill_through_tls(self, tls: TlsLayer, data: bytes | None) -> bool:
        if data is not None:
            tls.receive(data)
        news = False
        # Even without new ciphertext: plain text may have come with the end of the handshake.
        while plain := tls.read():
            self._pass_to_machine(plain)
            news = True
        if tls.ended or data == b"":
            if tls.failure:
                self.channel.failure = self.channel.failure or tls.failure
            self._end()
            news = True
        return news

    def _pass_to_machine(self, data: bytes) -> None:
        if self.channel.pace:
            self.channel.pace.moved(len(data))
        self.channel.machine.receive_data(data)

    def _put(self, data: bytes) -> None:
        if self._broken:
            # Nobody will read it, and a flow that waits for room would wait for ever.
            return
        self.queue.append(memoryview(data))
        self.channel.unwritten += len(data)

    def _drop(self, sent: int) -> None:
        self.channel.unwritten -= sent
        if self.channel.pace:
            self.channel.pace.moved(sent)
        complete = 0
        for piece in self.queue:
            if sent < len(piece):
                break
            sent -= len(piece)
            complete += 1
        del self.queue[:complete]
        if sent:
            self.queue[0] = self.queue[0][sent:]

    def _fail(self, why: str) -> None:
        self.channel.failure = self.channel.failure or why
        self._broken = True
        self.queue.clear()
        self.channel.unwritten = 0

    def _end(self) -> None:
        self.ended = True
        self.channel.machine.receive_eof()

    def close(self) -> None:
        """Close the socket; a child sees the end of its input."""
        self.channel.open = False
        self.channel.unwritten = 0
        self.queue.clear()
        self.sock.close()

    def note_last_words(self) -> None:
        """Keep the end of what the child wrote on its standard error, for the channel."""
        if self.errors:
            self.errors.drain()
            self.channel.last_words = self.errors.kept


@contextmanager
def report_missing_descriptors() -> Generator[None]:
    """Raise OpenFailed where the system has no descriptors left for a program."""
    try:
        yield
    except OSError as error:
        raise OpenFailed(f"no program can be started: {error.strerror}") from None


def nonblocking_pair() -> tuple[socket.socket, socket.socket]:
    """Return a connected pair: our socket, which does not block, and the child's, which does."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, theirs


def pipe_for_output() -> tuple[int, int]:
    """Return the reading and the writing end of a pipe."""
    return os.pipe()
