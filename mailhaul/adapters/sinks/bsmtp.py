"""Batched SMTP as a sink: each message with its envelope, added to a file or standard output.

A batch contains what an SMTP client would send; another program reads it later. A message is added
under a lock after it has arrived completely. If it cannot be written to its end, the file is cut
back to its old size. After a kill, the next delivery does that (bsmtp_mend.py).
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import time

from ...flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from ...flows.requests import Call
from ...flows.sink import Declined, Delivery, Parcel, Sink
from ...protocols.dots import DotWriter
from ...protocols.errors import LocalProtocolError
from ...protocols.smtp.command_lines import encode_command
from ...protocols.smtp.commands import Mail, Rcpt
from ..folders import open_own
from .bsmtp_mend import remove_marker, whole_size, write_marker
from .kinds import SinkOrder
from .spool import SpoolTooSmall, new_spool, too_large_outcome, write_all
from .spooled import RETRY_INTERVAL, FileSink, SpooledDelivery

STANDARD_OUTPUT = "-"
EXTENSIONS = (b"SMTPUTF8",)


def make(order: SinkOrder) -> Sink:
    """Return the sink for a batched SMTP file."""
    return BsmtpSink(order.value, order.spool_folder)


class BsmtpSink(FileSink):
    """One batched SMTP file. See ``mailhaul.flows.sink.Sink``."""

    keeps_return_path = False
    finds_offers = False
    lanes = 1
    gathers = False
    domain = "localhost"

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises PollFailed (IOERR)."""
        try:
            spool = await new_spool(parcel.size, self.spool_folder)
        except SpoolTooSmall as fault:
            return Declined(too_large_outcome(fault))
        return BsmtpDelivery(self, parcel, spool)


class BsmtpDelivery(SpooledDelivery):
    """One message for the batch. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: BsmtpSink, parcel: Parcel, spool: int) -> None:
        super().__init__(parcel, spool, sink.spool_folder)
        self._sink = sink
        self._text = DotWriter()

    async def ready(self) -> bool:
        """Write the envelope. An address that SMTP cannot express is refused."""
        try:
            # No server has offered 8BITMIME here, and Exim refuses a batch that contains BODY=.
            mail = Mail(self._parcel.sender or b"")
            commands: list[Mail | Rcpt] = [mail, *map(Rcpt, self._parcel.recipients)]
            lines = [encode_command(each, EXTENSIONS, lmtp=False) for each in commands]
        except LocalProtocolError as error:
            self._conclude(Outcome(Verdict.REFUSED, str(error)))
            return False
        await self._write(b"\r\n".join([*lines, b"DATA\r\n"]))
        return True

    async def feed(self, data: bytes) -> None:
        """Add some bytes to the spool. Raises PollFailed (IOERR)."""
        if self._verdict is None:
            await self._write(self._text.feed(data))

    def _end_of_text(self) -> bytes:
        return self._text.finish()

    async def _deliver(self) -> None:
        while why := await Call(self._append):
            if not await self._sink.wait():
                reason = f"{self._sink.path} {why}; mail stays at the server"
                self._conclude(Outcome(Verdict.POSTPONED, reason))
                return
        self._accept()

    def _append(self) -> str:
        """Add the spool to the batch; return "", or the reason to try again later."""
        path = self._sink.path
        try:
            if path == STANDARD_OUTPUT:
                self._print()
                return ""
            # A FIFO that is open for reading as well would never report a missing reader.
            special = os.path.exists(path) and not os.path.isfile(path)
            access = os.O_WRONLY if special else os.O_RDWR
            file = open_own(path, access | os.O_APPEND | os.O_CREAT)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self._add(file)
            finally:
                os.close(file)
        except BlockingIOError:
            return "is locked by another program"
        except OSError as error:
            if error.errno == errno.ENXIO and path != STANDARD_OUTPUT:
                return "has no reader"
            why = error.strerror or str(error)
            raise PollFailed(ExitCode.BSMTP, f"bsmtp {path}: {why}") from None

    def _print(self) -> None:
        """Write to standard output. Raises OSError, also if that is the null device."""
        null_device = os.stat(os.devnull)
        if os.path.samestat(os.fstat(1), null_device):
            # In the background, or if the parent process has closed standard output.
            raise OSError(errno.ENXIO, "standard output is the null device")
        self._write_to_pipe(1)

    def _add(self, file: int) -> str:
        """Add the whole message to an open file, or nothing of it. Raises OSError."""
        if not stat.S_ISREG(os.fstat(file).st_mode):
            self._write_to_pipe(file)
            return ""
        path = self._sink.path
        size = whole_size(path, file)
        if size is None:
            return "ends with an incomplete message, which another program may be writing"
        os.ftruncate(file, size)
        write_marker(path, file, size)
        try:
            self._copy(file)
            os.fsync(file)
            self._sink.sync_name(new=size == 0)
        except BaseException:
            # A program that takes no lock may have added a message meanwhile; it must stay.
            if self._ends_with_ours(file, size):
                os.ftruncate(file, size)
                remove_marker(path)
            raise
        remove_marker(path)
        return ""

    def _ends_with_ours(self, file: int, size: int) -> bool:
        """Whether this message, or a part of it, is all that follows after ``size`` octets.

        Raises OSError.
        """
        for block in self._blocks():
            written = os.pread(file, len(block), size)
            if not block.startswith(written):
                return False
            size += len(written)
        return os.fstat(file).st_size <= size

    def _write_to_pipe(self, file: int) -> None:
        """Write to a pipe or a device, as long as another process reads from it. Raises OSError."""
        poll = select.poll()
        poll.register(file, select.POLLOUT)
        for block in self._blocks():
            left = memoryview(block)
            while left:
                began = time.monotonic()
                poll.poll(RETRY_INTERVAL * 1000)
                try:
                    left = left[os.write(file, left) :]
                except BlockingIOError:
                    if not self._sink.spend_wait(time.monotonic() - began):
                        raise OSError(errno.ETIMEDOUT, "the reader has stopped reading") from None

    def _copy(self, file: int) -> None:
        for block in self._blocks():
            write_all(file, block)
