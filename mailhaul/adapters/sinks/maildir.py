"""A Maildir as a sink: written in tmp, synced, renamed into new, and the folder synced.

The layout is that of https://cr.yp.to/proto/maildir.html. A file's name is the ledger's name for
the offer, so that a message which was delivered just before a kill is found again and no second
copy is made: if it is the same, since a server may give its number to another one. A message
counts as accepted when its file and its folder are on the disk.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ...flows.channel import Channel, Program
from ...flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from ...flows.requests import Call
from ...flows.sink import Delivery, Parcel, Sink
from ...flows.source import CompletionProof
from ..calls import opened
from ..folders import make_private_folder, sync_folder, sync_name
from .kinds import SinkOrder
from .spool import write_all

FOLDERS = ("tmp", "new", "cur")
STALE = 36 * 3600
"""Seconds after which a file in tmp belongs to nobody any more."""
OURS = re.compile(r"\d+\.R[0-9a-f]{16}\.")
"""How the names begin that the ledger gives."""


def make(order: SinkOrder) -> Sink:
    """Return a Maildir as a sink."""
    return MaildirSink(order.value, order.hostname)


class MaildirSink:
    """One Maildir. See ``mailhaul.flows.sink.Sink``. ``host`` goes into the names of files."""

    keeps_return_path = True
    finds_offers = True
    domain = ""

    def __init__(self, folder: str, host: str) -> None:
        self.folder = folder
        # What separates the parts of a name may not stand in one of them.
        self._host = re.sub(r"[/:]", lambda found: f"\\{ord(found[0]):03o}", host)
        self._opened = False

    async def open(self) -> None:
        """Make what is missing of the folder. Raises PollFailed (IOERR)."""
        await Call(self._prepare)

    def _prepare(self) -> None:
        if self._opened:
            return
        try:
            for name in FOLDERS:
                make_private_folder(os.path.join(self.folder, name))
            self._settle_in()
            self._sweep()
        except OSError as error:
            raise failed(self.folder, error) from None
        self._opened = True

    def _settle_in(self) -> None:
        """Bring a Maildir to the disk in which nothing may have been delivered yet."""
        with os.scandir(os.path.join(self.folder, "new")) as entries:
            if any(entries):
                return
        sync_folder(self.folder)
        sync_name(self.folder)

    def _sweep(self) -> None:
        """Remove what a kill left in tmp long ago."""
        now = time.time()
        with os.scandir(os.path.join(self.folder, "tmp")) as entries:
            for entry in entries:
                # What another poll was writing may be whole by now, and gone from here.
                with suppress(FileNotFoundError):
                    if not (OURS.match(entry.name) and entry.is_file(follow_symlinks=False)):
                        continue
                    if entry.stat().st_mtime < now - STALE:
                        os.unlink(entry.path)

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to write a message. Raises PollFailed (IOERR)."""
        await self.open()
        delivery = MaildirDelivery(self.folder, self._host, parcel)
        await opened(delivery.begin, lambda _: delivery.remove())
        return delivery

    def listening(self) -> Sequence[Channel[Any] | Program]:
        """Return nothing: a disk answers at once."""
        return ()

    async def close(self) -> None:
        """Nothing to do: every message is finished by itself."""


class MaildirDelivery:
    """One message on its way into a Maildir. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, folder: str, host: str, parcel: Parcel) -> None:
        self._folder = folder
        self._host = host
        self._parcel = parcel
        self._tmp = os.path.join(folder, "tmp", self._name(1))
        self._file = -1
        self._verdict: Outcome | None = None

    def _name(self, number: int) -> str:
        """Return the name of the file; only one that is another message's is followed by a next."""
        part = "" if number == 1 else f"{number}."
        return f"{self._parcel.name}.{part}{self._host}"

    def begin(self) -> None:
        """Open the file."""
        try:
            if self._parcel.again and os.path.lexists(self._tmp):
                os.unlink(self._tmp)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.open(self._tmp, flags, 0o600)
        except OSError as error:
            raise failed(self._tmp, error) from None

    def _there(self, name: str) -> str:
        """Return the file of this name: in new, or in cur under whatever flags; else ""."""
        new, cur = (os.path.join(self._folder, folder) for folder in ("new", "cur"))
        if os.path.lexists(os.path.join(new, name)):
            return os.path.join(new, name)
        with os.scandir(cur) as entries:
            found = [entry.path for entry in entries if entry.name.partition(":")[0] == name]
        return found[0] if found else ""

    async def ready(self) -> bool:
        """Text may always be fed: what is there already is compared with it."""
        return True

    async def feed(self, data: bytes) -> None:
        """Write some bytes. Raises PollFailed (IOERR)."""
        if self._verdict is None and data:
            await Call(lambda: self._write(data))

    def _write(self, data: bytes) -> None:
        try:
            write_all(self._file, data)
        except OSError as error:
            if error.errno == errno.EFBIG:
                # That is no file's fault but this one's.
                self.remove()
                why = f"{self._tmp}: {error.strerror}"
                self._verdict = Outcome(Verdict.REFUSED, why)
                return
            raise failed(self._tmp, error) from None

    async def complete(self, proof: CompletionProof) -> None:
        """Bring the message to where readers look: ``proof`` says that it is whole."""
        del proof
        if self._verdict is None:
            await Call(self._finish)

    def _finish(self) -> None:
        new = os.path.join(self._folder, "new")
        path = os.path.join(new, self._name(1))
        try:
            name, there = self._free_name() if self._parcel.again else (self._name(1), "")
            path = os.path.join(new, name)
            if there:
                self.remove()
                # The kill may have come before the folder was on the disk.
                sync_folder(os.path.dirname(there))
            else:
                os.fsync(self._file)
                self._close()
                os.rename(self._tmp, path)
                sync_folder(new)
        except OSError as error:
            self.remove()
            raise failed(path, error) from None
        self._accept()

    def _free_name(self) -> tuple[str, str]:
        """Return a name that is free, and "", or one under which this message is there, and where.

        Raises OSError.
        """
        number = 1
        while there := self._there(self._name(number)):
            try:
                if is_same_message(self._tmp, there):
                    return self._name(number), there
                number += 1
            except FileNotFoundError:
                # A reader may move it meanwhile from new to cur: then it is looked for once more.
                if not os.path.lexists(self._tmp):
                    raise
        return self._name(number), ""

    def _accept(self) -> None:
        who = tuple(
            (recipient.decode("utf-8", "surrogateescape"), Verdict.ACCEPTED)
            for recipient in self._parcel.recipients
        )
        self._verdict = Outcome(Verdict.ACCEPTED, "", who)

    async def outcome(self) -> Outcome:
        """Return the verdict."""
        return self._verdict or Outcome(Verdict.POSTPONED, "the message was given up")

    def settled(self) -> Outcome | None:
        """Return the verdict if there is one."""
        return self._verdict

    async def abandon(self) -> None:
        """Remove what was written."""
        if self._verdict is None:
            await Call(self.remove)
            self._verdict = Outcome(Verdict.POSTPONED, "the message was given up")

    def let_go(self) -> None:
        """Close what is open, without waiting."""
        self._close()

    def remove(self) -> None:
        """Close the file and remove it, unless it has gone to its readers."""
        self._close()
        try:
            os.unlink(self._tmp)
        except OSError:
            # The next run sweeps it away; no reader looks into tmp.
            return

    def _close(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)


def failed(path: str, error: OSError) -> PollFailed:
    """Say what the disk does not do; the message stays at the server."""
    return PollFailed(
        ExitCode.IOERR, f"{path}: {error.strerror or error}; mail stays at the server"
    )


OUR_TRACE = re.compile(rb"(?:\A|\n)(Received: [^\n]*\n(?:[ \t][^\n]*\n)*)")
HEADER_OCTETS = 64 * 1024
"""Octets within which the field stands that every delivery adds anew, with its own date."""


def is_same_message(one: str, other: str) -> bool:
    """Whether two files hold the same message, but for our own Received field. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    files = [os.open(one, flags)]
    try:
        files.append(os.open(other, flags))
        statuses = [os.fstat(file) for file in files]
        if not all(stat.S_ISREG(status.st_mode) for status in statuses):
            return False
        heads = [os.pread(file, HEADER_OCTETS, 0) for file in files]
        traces = [trace_in(head) for head in heads]
        before = [head[:start] for head, (start, _) in zip(heads, traces, strict=True)]
        rest = [s.st_size - end for s, (_, end) in zip(statuses, traces, strict=True)]
        if before[0] != before[1] or rest[0] != rest[1]:
            return False
        places = [end for _, end in traces]
        for octets in range(0, rest[0], HEADER_OCTETS):
            blocks = [
                os.pread(f, HEADER_OCTETS, p + octets) for f, p in zip(files, places, strict=True)
            ]
            if blocks[0] != blocks[1]:
                return False
        return True
    finally:
        for file in files:
            os.close(file)


def trace_in(head: bytes) -> tuple[int, int]:
    """Return where our own Received field stands, nothing at the beginning if it does not."""
    found = OUR_TRACE.search(head)
    return found.span(1) if found and b"(mailhaul-" in found[1] else (0, 0)
