"""A mailbox file as a sink: each message is appended under two locks, as a whole or not at all.

The format of a message in the file is defined in protocols/message/mboxrd.py, locking in
mbox_lock.py. A message is spooled until it is complete, so that the locks are held only while it is
copied and synced. If that fails, or a signal ends the run, the file is cut back to its old size.
A kill during the copy leaves a part of the message; the next message still begins after a blank
line. A kill after the copy, before the ledger records it, causes a second copy.
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
from .maildir import io_failure
from .mbox_lock import MboxLock
from .spool import SpoolTooSmall, new_spool, too_large_outcome, write_all
from .spooled import FileSink, SpooledDelivery

FROM = b"From "
MAX_FROM_LINE = 1024
"""Octets of a From_ line at most: an address has up to 256 (RFC 5321, 4.5.3.1.3)."""


def make(order: SinkOrder) -> Sink:
    """Return the sink for a mailbox file."""
    return MboxSink(order.value, order.hostname, order.spool_folder)


class MboxSink(FileSink):
    """One mailbox file. See ``mailhaul.flows.sink.Sink``. ``host`` is written to the lock file."""

    keeps_return_path = True
    finds_offers = False
    lanes = 1
    gathers = False
    domain = ""

    def __init__(self, path: str, host: str, spool_folder: str) -> None:
        super().__init__(path, spool_folder)
        self.host = host
        self.may_end_partial = False
        """Whether a killed program may have left an incomplete From_ line at the end."""

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises PollFailed (IOERR)."""
        try:
            spool = await new_spool(parcel.size, self.spool_folder)
        except SpoolTooSmall as fault:
            return Declined(too_large_outcome(fault))
        return MboxDelivery(self, parcel, spool)


class MboxDelivery(SpooledDelivery):
    """One message for the mailbox file. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: MboxSink, parcel: Parcel, spool: int) -> None:
        super().__init__(parcel, spool, sink.spool_folder)
        self._sink = sink
        self._text = MboxrdWriter()

    async def ready(self) -> bool:
        """Write the From_ line, and a Return-Path field if the header has none."""
        parcel = self._parcel
        await self._write(self._text.begin(parcel.sender, int(time.time()), parcel.header))
        return True

    async def feed(self, data: bytes) -> None:
        """Add some bytes to the spool. Raises PollFailed (IOERR)."""
        if self._verdict is None:
            await self._write(self._text.feed(data))

    def _end_of_text(self) -> bytes:
        return self._text.finish()

    async def _deliver(self) -> None:
        while not await Call(self._append):
            if not await self._sink.wait():
                why = f"{self._sink.path} is locked by another program; mail stays at the server"
                self._conclude(Outcome(Verdict.POSTPONED, why))
                return
        self._accept()

    def _append(self) -> bool:
        """Append the spool to the file; return False if another program has locked it."""
        lock = MboxLock(self._sink.path, self._sink.host)
        try:
            acquired = lock.acquire()
            self._sink.may_end_partial |= lock.broke_stale_lock
            if not acquired:
                return False
            try:
                self._add(lock.file)
            finally:
                lock.release()
        except OSError as error:
            raise io_failure(error.filename or self._sink.path, error) from None
        return True

    def _add(self, file: int) -> None:
        """Add the whole message to the locked file, or nothing of it.

        Raises OSError, or PollFailed if it is not a regular file.
        """
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise io_failure(self._sink.path, OSError("is not a regular file"))
        size = status.st_size
        if self._sink.may_end_partial:
            size = size_without_partial_line(file, size)
            os.ftruncate(file, size)
            self._sink.may_end_partial = False
        try:
            write_all(file, missing_newlines(file, size))
            for block in self._blocks():
                write_all(file, block)
            os.fsync(file)
            self._sink.sync_name(new=size == 0)
        except BaseException:
            # After a signal, too, the file must not contain a part that looks like a message.
            os.ftruncate(file, size)
            raise


def size_without_partial_line(file: int, size: int) -> int:
    """Return the size of a file without the incomplete From_ line that a kill left at its end.

    Otherwise that line would become the last line of the message before it. Call this only after a
    kill: the line may be part of a message. Raises OSError.
    """
    at = max(size - MAX_FROM_LINE, 0)
    last = os.pread(file, size - at, at)
    before, newline, line = last.rpartition(b"\n")
    if at + len(before + newline) and not before.endswith(b"\n"):
        return size
    partial = line.startswith(FROM) or FROM.startswith(line)
    return size - len(line) if partial else size


def missing_newlines(file: int, size: int) -> bytes:
    """Return the newlines that are missing for a blank line before a message. Raises OSError."""
    end = os.pread(file, 2, max(size - 2, 0))
    if not end or end == b"\n\n":
        return b""
    return b"\n" if end.endswith(b"\n") else b"\n\n"
