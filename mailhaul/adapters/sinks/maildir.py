"""A Maildir as a sink: written in tmp, synced, renamed into new, and the folder synced.

The layout is that of https://cr.yp.to/proto/maildir.html. A file has the name that the ledger gave
to the offer. So a message that was delivered just before a kill is found again, and no second copy
is made. The contents are compared as well, since a server may give a UID to another message. A
message counts as accepted when its file and its folder have been synced to disk.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Sequence
from contextlib import suppress

from ...flows.channel import Channel, Endpoint, Program
from ...flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from ...flows.requests import Call
from ...flows.sink import Delivery, Parcel, Sink
from ...flows.source import CompletionProof
from ..calls import opened
from ..folders import make_private_folder, sync_folder, sync_name
from .kinds import SinkOrder
from .spool import write_all

FOLDERS = ("tmp", "new", "cur")
STALE_SECONDS = 36 * 3600
"""Age in seconds at which a file in tmp is left over from a killed process."""
LEDGER_NAME = re.compile(r"\d+\.R[0-9a-f]{16}\.")
"""The beginning of the names that the ledger gives."""


def make(order: SinkOrder) -> Sink:
    """Return the sink for a Maildir."""
    return MaildirSink(order.value, order.hostname)


class MaildirSink:
    """One Maildir. See ``mailhaul.flows.sink.Sink``. ``host`` is a part of the file names."""

    keeps_return_path = True
    finds_offers = True
    domain = ""

    def __init__(self, folder: str, host: str) -> None:
        self.folder = folder
        # A part of a file name must not contain a separator.
        self._host = re.sub(r"[/:]", lambda found: f"\\{ord(found[0]):03o}", host)
        self._prepared = False

    async def open(self) -> None:
        """Create the folders that are missing. Raises PollFailed (IOERR)."""
        await Call(self._prepare)

    def _prepare(self) -> None:
        if self._prepared:
            return
        try:
            for name in FOLDERS:
                make_private_folder(os.path.join(self.folder, name))
            self._sync_new_maildir()
            self._remove_stale_files()
        except OSError as error:
            raise io_failure(self.folder, error) from None
        self._prepared = True

    def _sync_new_maildir(self) -> None:
        """Sync the folders of a Maildir to disk if nothing may have been delivered to it yet."""
        with os.scandir(os.path.join(self.folder, "new")) as entries:
            if any(entries):
                return
        sync_folder(self.folder)
        sync_name(self.folder)

    def _remove_stale_files(self) -> None:
        """Remove the old files that killed processes left in tmp."""
        now = time.time()
        with os.scandir(os.path.join(self.folder, "tmp")) as entries:
            for entry in entries:
                # Another poll may have completed its file and moved it away meanwhile.
                with suppress(FileNotFoundError):
                    if not (LEDGER_NAME.match(entry.name) and entry.is_file(follow_symlinks=False)):
                        continue
                    if entry.stat().st_mtime < now - STALE_SECONDS:
                        os.unlink(entry.path)

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to write a message. Raises PollFailed (IOERR)."""
        await self.open()
        delivery = MaildirDelivery(self.folder, self._host, parcel)
        await opened(delivery.begin, lambda _: delivery.remove())
        return delivery

    def listening(self) -> Sequence[Channel[Endpoint] | Program]:
        """Return nothing: a disk needs no waiting."""
        return ()

    async def close(self) -> None:
        """Nothing to do: each delivery closes its own file."""


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
        """Return the nth name for the file. The next is used if another message has this one."""
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
            raise io_failure(self._tmp, error) from None

    def _find(self, name: str) -> str:
        """Return the path of the file with this name in new, or in cur with any flags, or ""."""
        new, cur = (os.path.join(self._folder, folder) for folder in ("new", "cur"))
        if os.path.lexists(os.path.join(new, name)):
            return os.path.join(new, name)
        with os.scandir(cur) as entries:
            found = [entry.path for entry in entries if entry.name.partition(":")[0] == name]
        return found[0] if found else ""

    async def ready(self) -> bool:
        """Return True: if the message is already stored, the text is compared with it."""
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
                # EFBIG concerns this message alone: smaller ones can still be written.
                self.remove()
                why = f"{self._tmp}: {error.strerror}"
                self._verdict = Outcome(Verdict.REFUSED, why)
                return
            raise io_failure(self._tmp, error) from None

    async def complete(self, proof: CompletionProof) -> None:
        """Move the message to new: ``proof`` shows that it is complete."""
        del proof
        if self._verdict is None:
            await Call(self._finish)

    def _finish(self) -> None:
        new = os.path.join(self._folder, "new")
        path = os.path.join(new, self._name(1))
        try:
            name, copy = self._choose_name() if self._parcel.again else (self._name(1), "")
            path = os.path.join(new, name)
            if copy:
                self.remove()
                # The kill may have happened before the folder was synced.
                sync_folder(os.path.dirname(copy))
            else:
                os.fsync(self._file)
                self._close()
                os.rename(self._tmp, path)
                sync_folder(new)
        except OSError as error:
            self.remove()
            raise io_failure(path, error) from None
        self._accept()

    def _choose_name(self) -> tuple[str, str]:
        """Return the name for this message, and the path of its copy or "" if there is none.

        The name is the first that is free or has a copy of this message. Raises OSError.
        """
        number = 1
        while copy := self._find(self._name(number)):
            try:
                if is_same_message(self._tmp, copy):
                    return self._name(number), copy
                number += 1
            except FileNotFoundError:
                # A mail reader has moved the file from new to cur meanwhile: search again.
                if not os.path.lexists(self._tmp):
                    raise
        return self._name(number), ""

    def _accept(self) -> None:
        accepted = tuple(
            (recipient.decode("utf-8", "surrogateescape"), Verdict.ACCEPTED)
            for recipient in self._parcel.recipients
        )
        self._verdict = Outcome(Verdict.ACCEPTED, "", accepted)

    async def outcome(self) -> Outcome:
        """Return the verdict."""
        return self._verdict or Outcome(Verdict.POSTPONED, "the delivery was abandoned")

    def known_outcome(self) -> Outcome | None:
        """Return the verdict if there is one."""
        return self._verdict

    async def abandon(self) -> None:
        """Remove the file in tmp."""
        if self._verdict is None:
            await Call(self.remove)
            self._verdict = Outcome(Verdict.POSTPONED, "the delivery was abandoned")

    def release(self) -> None:
        """Close the file without waiting."""
        self._close()

    def remove(self) -> None:
        """Close the file and remove it, unless it has been moved to new."""
        self._close()
        try:
            os.unlink(self._tmp)
        except OSError:
            # A later run removes it as stale; mail readers do not read tmp.
            return

    def _close(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)


def io_failure(path: str, error: OSError) -> PollFailed:
    """Return the failure of a file operation; the message stays at the server."""
    return PollFailed(
        ExitCode.IOERR, f"{path}: {error.strerror or error}; mail stays at the server"
    )


OUR_RECEIVED = re.compile(rb"(?:\A|\n)(Received: [^\n]*\n(?:[ \t][^\n]*\n)*)")
HEADER_OCTETS = 64 * 1024
"""Octets that are searched for the Received field of this program, which has a new date in every
delivery.
"""


def is_same_message(one: str, other: str) -> bool:
    """Whether two files contain the same message. Raises OSError.

    The Received field that mailhaul adds is ignored.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    files = [os.open(one, flags)]
    try:
        files.append(os.open(other, flags))
        statuses = [os.fstat(file) for file in files]
        if not all(stat.S_ISREG(status.st_mode) for status in statuses):
            return False
        heads = [os.pread(file, HEADER_OCTETS, 0) for file in files]
        spans = [our_received_span(head) for head in heads]
        before = [head[:start] for head, (start, _) in zip(heads, spans, strict=True)]
        rest = [s.st_size - end for s, (_, end) in zip(statuses, spans, strict=True)]
        if before[0] != before[1] or rest[0] != rest[1]:
            return False
        ends = [end for _, end in spans]
        for offset in range(0, rest[0], HEADER_OCTETS):
            blocks = [
                os.pread(f, HEADER_OCTETS, end + offset) for f, end in zip(files, ends, strict=True)
            ]
            if blocks[0] != blocks[1]:
                return False
        return True
    finally:
        for file in files:
            os.close(file)


def our_received_span(head: bytes) -> tuple[int, int]:
    """Return the start and end of the Received field that mailhaul added, or (0, 0)."""
    found = OUR_RECEIVED.search(head)
    return found.span(1) if found and b"(mailhaul-" in found[1] else (0, 0)
