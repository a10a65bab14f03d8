"""Batched SMTP as a sink: each message with its envelope, added to a file or standard output.

What stands there is what an SMTP client would say, for a program that reads it later. A message is
added when it is whole, under a lock, and taken back where it cannot be written to its end: by the
next one, where a kill left half of it (bsmtp_mend.py).
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
from .bsmtp_mend import forget_begun, note_begun, whole_size
from .kinds import SinkOrder
from .spool import SpoolTooSmall, new_spool, too_large, write_all
from .spooled import INTERVAL, FileSink, SpooledDelivery

STANDARD_OUTPUT = "-"
EXTENSIONS = (b"SMTPUTF8",)


def make(order: SinkOrder) -> Sink:
    """Return a file of batched SMTP as a sink."""
    return BsmtpSink(order.value, order.spool_folder)


class BsmtpSink(FileSink):
    """One file of batched SMTP. See ``mailhaul.flows.sink.Sink``."""

    keeps_return_path = False
    finds_offers = False
    domain = "localhost"

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises PollFailed (IOERR)."""
        try:
            spool = await new_spool(parcel.size, self.spool_folder)
        except SpoolTooSmall as fault:
            return Declined(too_large(fault))
        return BsmtpDelivery(self, parcel, spool)


class BsmtpDelivery(SpooledDelivery):
    """One message for the batch. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: BsmtpSink, parcel: Parcel, spool: int) -> None:
        super().__init__(parcel, spool, sink.spool_folder)
        self._sink = sink
        self._text = DotWriter()

    async def ready(self) -> bool:
        """Write the envelope, where the addresses can stand in one."""
        try:
            # Nobody has offered 8BITMIME here, and Exim refuses a batch that speaks of it.
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

    def _ending(self) -> bytes:
        return self._text.finish()

    async def _deliver(self) -> None:
        while why := await Call(self._append):
            if not await self._sink.wait():
                reason = f"{self._sink.path} {why}; mail stays at the server"
                self._conclude(Outcome(Verdict.POSTPONED, reason))
                return
        self._accept()

    def _append(self) -> str:
        """Add the spool to the batch; return why that has to wait, "" if it need not."""
        path = self._sink.path
        try:
            if path == STANDARD_OUTPUT:
                self._print()
                return ""
            # One that is open for reading too would never wait for its reader.
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
        """Write to standard output. Raises OSError, also where that is nobody's."""
        nowhere = os.stat(os.devnull)
        if os.path.samestat(os.fstat(1), nowhere):
            # In the background, and where the starter has closed it.
            raise OSError(errno.ENXIO, "standard output goes nowhere")
        self._pass_on(1)

    def _add(self, file: int) -> str:
        """Add to an open file, all or nothing. Raises OSError."""
        if not stat.S_ISREG(os.fstat(file).st_mode):
            self._pass_on(file)
            return ""
        path = self._sink.path
        size = whole_size(path, file)
        if size is None:
            return "ends in half a message, which another program may be writing"
        os.ftruncate(file, size)
        note_begun(path, file, size)
        try:
            self._copy(file)
            os.fsync(file)
            self._sink.sync_name(new=size == 0)
        except BaseException:
            # Who knows no lock may have added something meanwhile: that is not ours to cut off.
            if self._is_ours(file, size):
                os.ftruncate(file, size)
                forget_begun(path)
            raise
        forget_begun(path)
        return ""

    def _is_ours(self, file: int, size: int) -> bool:
        """Whether nothing but this message follows after so many octets. Raises OSError."""
        for block in self._blocks():
            there = os.pread(file, len(block), size)
            if not block.startswith(there):
                return False
            size += len(there)
        return os.fstat(file).st_size <= size

    def _pass_on(self, file: int) -> None:
        """Write to what is no file, as long as somebody reads there. Raises OSError."""
        poll = select.poll()
        poll.register(file, select.POLLOUT)
        for block in self._blocks():
            left = memoryview(block)
            while left:
                began = time.monotonic()
                poll.poll(INTERVAL * 1000)
                try:
                    left = left[os.write(file, left) :]
                except BlockingIOError:
                    if not self._sink.grants(time.monotonic() - began):
                        raise OSError(errno.ETIMEDOUT, "nobody reads on") from None

    def _copy(self, file: int) -> None:
        for block in self._blocks():
            write_all(file, block)
