"""Batched SMTP as a sink: each message with its envelope, added to a file or standard output.

What stands there is what an SMTP client would say, for a program that reads it later. A message is
added when it is whole, under a lock, and taken back where it cannot be written to its end.
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
from ...flows.sink import Delivery, Parcel
from ...protocols.dots import DotWriter
from ...protocols.errors import LocalProtocolError
from ...protocols.smtp.command_lines import encode_command
from ...protocols.smtp.commands import Mail, Rcpt
from ..folders import sync_folder
from .spool import open_spool, write_all
from .spooled import SpooledDelivery

STANDARD_OUTPUT = "-"
EXTENSIONS = (b"SMTPUTF8",)


class BsmtpSink:
    """One file of batched SMTP. See ``mailhaul.flows.sink.Sink``."""

    keeps_return_path = False
    domain = "localhost"

    def __init__(self, path: str, spool_folder: str) -> None:
        self.path = path
        self.spool_folder = spool_folder

    async def open(self) -> None:
        """Nothing to do: the file is opened for each message."""

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises PollFailed (IOERR) when there is no room."""
        spool = await Call(lambda: open_spool(parcel.size, self.spool_folder))
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

    async def _deliver(self) -> None:
        await self._write(self._text.finish())
        await Call(self._append)
        self._accept()

    def _append(self) -> None:
        try:
            if self._sink.path == STANDARD_OUTPUT:
                self._copy(1)
                return
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            file = os.open(self._sink.path, flags, 0o600)
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
        try:
            self._copy(file)
            if regular:
                os.fsync(file)
                if status.st_size == 0:
                    # It may be new: then its name has to reach the disk, too.
                    sync_folder(os.path.dirname(self._sink.path))
        except OSError:
            if regular:
                os.ftruncate(file, status.st_size)
            raise

    def _copy(self, file: int) -> None:
        for block in self._blocks():
            write_all(file, block)
