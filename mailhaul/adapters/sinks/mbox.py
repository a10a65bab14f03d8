"""A mailbox file as a sink: each message appended under both locks, whole or not at all.

How a message stands in the file is for protocols/message/mboxrd.py to say, how it is locked for
mbox_lock.py. A message is spooled until it is whole, so that the locks are held only while it is
copied and synced. Where that fails, or a signal ends the run, the file is cut back to what it was.
A kill in the midst leaves part of a message, and the one that follows begins after a blank line all
the same; a kill between the copy and the ledger's note costs a second copy.
"""

from __future__ import annotations

import os
import stat
import time

from ...flows.outcome import Outcome, Verdict
from ...flows.requests import Call
from ...flows.sink import Declined, Delivery, Parcel, Sink
from ...protocols.message.mboxrd import MboxrdWriter
from .kinds import SinkOrder
from .maildir import failed
from .mbox_lock import MboxLock
from .spool import SpoolTooSmall, new_spool, too_large, write_all
from .spooled import FileSink, SpooledDelivery

FROM = b"From "
MAX_LINE = 1024
"""Octets of a From_ line, and more: an address has 256 (RFC 5321, 4.5.3.1.3)."""


def make(order: SinkOrder) -> Sink:
    """Return a mailbox file as a sink."""
    return MboxSink(order.value, order.hostname, order.spool_folder)


class MboxSink(FileSink):
    """One mailbox file. See ``mailhaul.flows.sink.Sink``. ``host`` is named in the lock."""

    keeps_return_path = True
    finds_offers = False
    domain = ""

    def __init__(self, path: str, host: str, spool_folder: str) -> None:
        super().__init__(path, spool_folder)
        self.host = host
        self.half_line_left = False
        """Whether somebody was killed who may have left half a line."""

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises PollFailed (IOERR)."""
        try:
            spool = await new_spool(parcel.size, self.spool_folder)
        except SpoolTooSmall as fault:
            return Declined(too_large(fault))
        return MboxDelivery(self, parcel, spool)


class MboxDelivery(SpooledDelivery):
    """One message for the mailbox file. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: MboxSink, parcel: Parcel, spool: int) -> None:
        super().__init__(parcel, spool, sink.spool_folder)
        self._sink = sink
        self._text = MboxrdWriter()

    async def ready(self) -> bool:
        """Write what stands before the header."""
        parcel = self._parcel
        await self._write(self._text.begin(parcel.sender, int(time.time()), parcel.header))
        return True

    async def feed(self, data: bytes) -> None:
        """Add some bytes to the spool. Raises PollFailed (IOERR)."""
        if self._verdict is None:
            await self._write(self._text.feed(data))

    def _ending(self) -> bytes:
        return self._text.finish()

    async def _deliver(self) -> None:
        while not await Call(self._append):
            if not await self._sink.wait():
                why = f"{self._sink.path} is locked by another program; mail stays at the server"
                self._conclude(Outcome(Verdict.POSTPONED, why))
                return
        self._accept()

    def _append(self) -> bool:
        """Append the spool to the file; False while another program has it locked."""
        lock = MboxLock(self._sink.path, self._sink.host)
        try:
            taken = lock.take()
            self._sink.half_line_left |= lock.broke
            if not taken:
                return False
            try:
                self._add(lock.file)
            finally:
                lock.release()
        except OSError as error:
            raise failed(error.filename or self._sink.path, error) from None
        return True

    def _add(self, file: int) -> None:
        """Add to the locked file, all or nothing. Raises OSError, and PollFailed for no file."""
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise failed(self._sink.path, OSError("is no regular file"))
        size = status.st_size
        if self._sink.half_line_left:
            size = without_half_line(file, size)
            os.ftruncate(file, size)
            self._sink.half_line_left = False
        try:
            write_all(file, missing_newlines(file, size))
            for block in self._blocks():
                write_all(file, block)
            os.fsync(file)
            self._sink.sync_name(new=size == 0)
        except BaseException:
            # A signal that ends us must not leave what looks like a message either.
            os.ftruncate(file, size)
            raise


def without_half_line(file: int, size: int) -> int:
    """Return the size of a file without half a From_ line at its end, as a kill may leave it.

    The message before it would have it for its last line. Only where there was a kill: else it may
    be somebody's text. Raises OSError.
    """
    at = max(size - MAX_LINE, 0)
    last = os.pread(file, size - at, at)
    before, newline, line = last.rpartition(b"\n")
    if at + len(before + newline) and not before.endswith(b"\n"):
        return size
    half = line.startswith(FROM) or FROM.startswith(line)
    return size - len(line) if half else size


def missing_newlines(file: int, size: int) -> bytes:
    """Return what is wanting of the blank line that a message begins behind. Raises OSError."""
    end = os.pread(file, 2, max(size - 2, 0))
    if not end or end == b"\n\n":
        return b""
    return b"\n" if end.endswith(b"\n") else b"\n\n"
