"""Batched SMTP as a sink: each message with its envelope, added to a file or standard output.

What stands there is what an SMTP client would say, for a program that reads it later. A message is
added when it is whole, under a lock, and taken back where it cannot be written to its end: by the
next one, where a kill left half of it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Sequence
from typing import Any

from ...flows.channel import Channel, Program
from ...flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from ...flows.requests import Call
from ...flows.sink import Declined, Delivery, Parcel
from ...protocols.dots import DotWriter
from ...protocols.errors import LocalProtocolError
from ...protocols.smtp.command_lines import encode_command
from ...protocols.smtp.commands import Mail, Rcpt
from ..folders import sync_name
from .spool import SpoolTooSmall, open_spool, too_large, write_all
from .spooled import SpooledDelivery

STANDARD_OUTPUT = "-"
EXTENSIONS = (b"SMTPUTF8",)
BEGINNING = b"MAIL FROM:"
"""Of each message that is added here."""
BLOCK = 8192
"""Octets that are looked at in one go for the end of the last one."""


class BsmtpSink:
    """One file of batched SMTP. See ``mailhaul.flows.sink.Sink``."""

    keeps_return_path = False
    domain = "localhost"

    def __init__(self, path: str, spool_folder: str) -> None:
        self.path = path
        self.spool_folder = spool_folder
        self.named = False
        """Whether the name of the file is on the disk for certain."""

    async def open(self) -> None:
        """Nothing to do: the file is opened for each message."""

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises PollFailed (IOERR)."""
        try:
            spool = await Call(lambda: open_spool(parcel.size, self.spool_folder))
        except SpoolTooSmall as fault:
            return Declined(too_large(fault))
        return BsmtpDelivery(self, parcel, spool)

    def listening(self) -> Sequence[Channel[Any] | Program]:
        """Return nothing: a file answers at once."""
        return ()

    async def close(self) -> None:
        """Nothing to do."""


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
        await Call(self._append)
        self._accept()

    def _append(self) -> None:
        try:
            if self._sink.path == STANDARD_OUTPUT:
                self._copy(1)
                return
            # A FIFO that is open for reading too would never wait for its reader.
            path = self._sink.path
            special = os.path.exists(path) and not os.path.isfile(path)
            flags = (os.O_WRONLY if special else os.O_RDWR) | os.O_APPEND | os.O_CREAT
            file = os.open(path, flags | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._add(file)
            finally:
                os.close(file)
        except OSError as error:
            why = error.strerror or str(error)
            raise PollFailed(ExitCode.BSMTP, f"bsmtp {self._sink.path}: {why}") from None

    def _add(self, file: int) -> None:
        """Add to an open file, all or nothing. Raises OSError."""
        status = os.fstat(file)
        regular = stat.S_ISREG(status.st_mode)
        size = mend(file, status.st_size) if regular else 0
        try:
            self._copy(file)
            if regular:
                os.fsync(file)
                if size == 0 or not self._sink.named:
                    sync_name(self._sink.path, new=size == 0)
                    self._sink.named = True
        except OSError:
            if regular:
                os.ftruncate(file, size)
            raise

    def _copy(self, file: int) -> None:
        for block in self._blocks():
            write_all(file, block)


def mend(file: int, size: int) -> int:
    """Cut off what a kill left of a message, and return the size behind that. Raises OSError.

    What comes behind it would be taken for its text. What begins otherwise is not ours, and stays.
    """
    if size == 0:
        return 0
    end = last_end(file, size)
    # Behind a loss of power there may be octets that were never written.
    beginning = os.pread(file, len(BEGINNING), end).rstrip(b"\0")
    if end == size or not BEGINNING.startswith(beginning):
        return size
    os.ftruncate(file, end)
    return end


def last_end(file: int, size: int) -> int:
    """Return the offset behind the last line with a lone dot, 0 without one. Raises OSError."""
    start, behind = size, b""
    while start:
        length = min(BLOCK, start)
        start -= length
        block = os.pread(file, length, start) + behind[:3]
        ends = [at + len(dot) for dot in (b"\n.\r\n", b"\n.\n") if (at := block.rfind(dot)) >= 0]
        if ends:
            return start + max(ends)
        behind = block
    return 0
