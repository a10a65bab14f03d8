"""A Maildir as a sink: written in tmp, synced, renamed into new, and the folder synced.

The layout is that of https://cr.yp.to/proto/maildir.html. A file has the name that the ledger gave
to the offer. So a message that was delivered just before a kill is found again
(maildir_copies.py), and no second copy is made.

Syncing is what costs time, and a file system syncs many files nearly as fast as one. So messages
are gathered: all are written, then all are synced, then all are renamed, then the folder is synced.
Only then they are accepted.

This file is long because a delivery, and the steps that several deliveries take together, work with
the same files.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from ...flows.channel import Channel, Endpoint
from ...flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from ...flows.requests import Call, Program
from ...flows.sink import Delivery, Parcel, Sink
from ...flows.source import CompletionProof
from ..folders import make_private_folder, sync_folder, sync_name
from .kinds import SinkOrder
from .maildir_copies import Stored, is_same_message
from .open_files import give_back, open_while_possible, take_files
from .spool import write_all

FOLDERS = ("tmp", "new", "cur")
STALE_SECONDS = 36 * 3600
"""Age in seconds at which a file in tmp is left over from a killed process."""
LEDGER_NAME = re.compile(r"\d+\.R[0-9a-f]{16}\.")
"""The beginning of the names that the ledger gives."""
MAX_IN_MEMORY = 256 * 1024
"""Octets of one message that are held before they are written."""
MAX_GATHERED = 1024 * 1024
"""Octets of all messages that are held before they are written."""


def make(order: SinkOrder) -> Sink:
    """Return the sink for a Maildir, or for a folder in it."""
    if not order.levels:
        return MaildirSink(order.value, order.hostname)
    from .maildir_folder import MaildirFolder  # few accounts keep the tree of folders

    return MaildirFolder(order.value, order.levels, order.hostname)


class MaildirSink:
    """One Maildir. See ``mailhaul.flows.sink.Sink``. ``host`` is a part of the file names."""

    keeps_return_path = True
    finds_offers = True
    lanes = 50
    gathers = True
    domain = ""

    def __init__(self, folder: str, host: str) -> None:
        self.folder = folder
        # A part of a file name must not contain a separator.
        self.host = re.sub(r"[/:]", lambda found: f"\\{ord(found[0]):03o}", host)
        self.held = 0
        """Octets in memory."""
        self._gathered: list[MaildirDelivery] = []
        self._prepared = False

    async def open(self) -> None:
        """Create the folders that are missing. Raises PollFailed (IOERR)."""
        if not self._prepared:
            await Call(self._prepare)

    def _prepare(self) -> None:
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
        """Begin a message. Raises PollFailed (IOERR)."""
        await self.open()
        if parcel.again and any(one.parcel.name == parcel.name for one in self._gathered):
            # A server gives one UID to two messages: each is compared with what is stored.
            await self.store()
        return MaildirDelivery(self, parcel)

    def gather(self, delivery: MaildirDelivery) -> None:
        """Take the last steps of this complete message together with those of others."""
        self._gathered.append(delivery)

    async def store(self) -> None:
        """Take the last steps of all gathered messages. Each has a verdict or a failure then."""
        gathered, self._gathered = self._gathered, []
        await Call(lambda: store(self.folder, gathered))

    def listening(self) -> Sequence[Channel[Endpoint] | Program]:
        """Return nothing: a disk needs no waiting."""
        return ()

    async def hear_any(self) -> bool:
        """Return False: verdicts come in the order of the offers."""
        return False

    async def close(self) -> None:
        """Nothing to do: each delivery closes its own file."""


class MaildirDelivery:
    """One message on its way into a Maildir. See ``mailhaul.flows.sink.Delivery``.

    A small one is held in memory until its last steps: ``write``, ``find_copy``, ``sync`` and
    ``move``. They may run in another thread, and raise OSError.
    """

    def __init__(self, sink: MaildirSink, parcel: Parcel) -> None:
        self._sink = sink
        self.parcel = parcel
        self.target = ""
        """Where the message is stored in the end."""
        self.verdict: Outcome | None = None
        self.tmp = os.path.join(sink.folder, "tmp", self._name(1))
        """Where it is written."""
        self._has_copy = False
        self._file = -1
        self._pieces: list[bytes] = []
        self._held = 0
        self._is_complete = False
        self.failure: PollFailed | None = None
        """What ``outcome`` raises."""
        self._working = False
        self.released = False
        """Whether no further step is taken."""

    @property
    def first_name(self) -> str:
        """The name of the file, unless another message has it."""
        return self._name(1)

    def _name(self, number: int) -> str:
        """Return the nth name for the file. The next is used if another message has this one."""
        part = "" if number == 1 else f"{number}."
        return f"{self.parcel.name}.{part}{self._sink.host}"

    # Text

    async def ready(self) -> bool:
        """Return True: if the message is already stored, the text is compared with it."""
        return True

    async def feed(self, data: bytes) -> None:
        """Take some bytes. Raises PollFailed (IOERR)."""
        if self.verdict is not None or not data:
            return
        self._pieces.append(data)
        self._held += len(data)
        self._sink.held += len(data)
        if self._held > MAX_IN_MEMORY or self._sink.held > MAX_GATHERED:
            await Call(self._write_early)

    def _write_early(self) -> None:
        if not self.begin_work():
            return
        try:
            self.write()
        except OSError as error:
            self.remove()
            raise io_failure(self.tmp, error) from None
        finally:
            self.end_work()

    async def complete(self, proof: CompletionProof) -> None:
        """Permit the last steps: ``proof`` shows that the message is complete."""
        del proof
        if self.verdict is None:
            self._is_complete = True
            self._sink.gather(self)

    # Last steps

    def write(self) -> None:
        """Write what is in memory. A message that is too large for the file system is refused."""
        if self._file < 0:
            self._open()
        text = b"".join(self._pieces)
        self._drop_pieces()
        try:
            write_all(self._file, text)
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
            # EFBIG concerns this message alone: smaller ones can still be written.
            self.remove()
            self.verdict = Outcome(Verdict.REFUSED, f"{self.tmp}: {error.strerror}")
            return
        begin_write_back(self._file)

    def open(self) -> None:
        """Open the file before it is written."""
        if self._file < 0 and not self.released:
            self._open()

    def _open(self) -> None:
        if self.parcel.again and os.path.lexists(self.tmp):
            os.unlink(self.tmp)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self.tmp, flags, 0o600)

    def find_copy(self, stored: Stored) -> None:
        """Choose the name in new; remove the file if an earlier run has stored the message."""
        name, copy = self._choose_name(stored) if self.parcel.again else (self._name(1), "")
        if copy:
            self.remove()
        self._has_copy = bool(copy)
        self.target = copy or os.path.join(self._sink.folder, "new", name)

    def sync(self) -> None:
        """Sync the file to disk, and close it."""
        if not self._has_copy:
            os.fsync(self._file)
            self._close()

    def move(self) -> None:
        """Move the file to new."""
        if not self._has_copy:
            os.rename(self.tmp, self.target)

    def _choose_name(self, stored: Stored) -> tuple[str, str]:
        """Return the name for this message, and the path of its copy or "" if there is none.

        The name is the first that is free or has a copy of this message. Raises OSError.
        """
        number = 1
        while copy := stored.find(self._name(number)):
            try:
                if is_same_message(self.tmp, copy):
                    return self._name(number), copy
                number += 1
            except FileNotFoundError:
                # A mail reader has moved the file from new to cur meanwhile: search again.
                if not os.path.lexists(self.tmp):
                    raise
        return self._name(number), ""

    def accept(self) -> None:
        """Set the verdict: file and folder have been synced to disk."""
        accepted = tuple(
            (recipient.decode("utf-8", "surrogateescape"), Verdict.ACCEPTED)
            for recipient in self.parcel.recipients
        )
        self.verdict = Outcome(Verdict.ACCEPTED, "", accepted)

    def fail(self, failure: PollFailed) -> None:
        """Let ``outcome`` raise this, and remove the file unless it has been moved to new."""
        self.failure = failure
        self.remove()

    # Verdict

    async def outcome(self) -> Outcome:
        """Take the last steps of all gathered messages; return the verdict.

        Raises PollFailed (IOERR).
        """
        if self._is_complete and not (self.verdict or self.failure):
            await self._sink.store()
        if self.failure:
            raise self.failure
        return self.verdict or Outcome(Verdict.POSTPONED, "the delivery was abandoned")

    def known_outcome(self) -> Outcome | None:
        """Return the verdict if there is one."""
        return self.verdict

    async def abandon(self) -> None:
        """Remove the file in tmp."""
        if self.verdict is None:
            self._drop_pieces()
            if self._file >= 0:
                await Call(self.remove)
            self.verdict = Outcome(Verdict.POSTPONED, "the delivery was abandoned")

    # The file, which a thread may still be writing after the poll was cancelled

    def begin_work(self) -> bool:
        """Return whether a thread may begin to work with the file; call ``end_work`` if it may."""
        self._working = True
        if self.released:
            # Until now the thread that releases it may have relied on this one to close it.
            self.end_work()
        return self._working

    def end_work(self) -> None:
        """Close the file if the delivery was released meanwhile."""
        self._working = False
        if self.released:
            self._let_go()

    def release(self) -> None:
        """Close the file without waiting, or let the thread do it that works with it.

        That thread takes no further step: another poll may be delivering the message already.
        """
        self.released = True
        if not self._working:
            self._let_go()

    def _let_go(self) -> None:
        self._drop_pieces()
        with suppress(OSError):
            self._close()

    def remove(self) -> None:
        """Close the file and remove it, unless it has been moved to new."""
        self._let_go()
        # If this fails, a later run removes it as stale; mail readers do not read tmp.
        with suppress(OSError):
            os.unlink(self.tmp)

    def _drop_pieces(self) -> None:
        self._sink.held -= self._held
        self._held = 0
        self._pieces.clear()

    def _close(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)


def store(folder: str, gathered: Sequence[MaildirDelivery]) -> None:
    """Take the last steps of these messages, each step for all of them.

    After an error the messages before it are stored; it is the failure of all others.
    """
    working = [one for one in gathered if one.begin_work()]
    try:
        sync_folders(each(MaildirDelivery.move, written(folder, working)))
    finally:
        for one in working:
            one.end_work()


def written(folder: str, several: Sequence[MaildirDelivery]) -> list[MaildirDelivery]:
    """Write and sync these messages; return those that can be moved to new."""
    try:
        stored = Stored(folder, [one.first_name for one in several if one.parcel.again])
    except OSError as error:
        fail(several, io_failure(folder, error))
        return []
    done: list[MaildirDelivery] = []
    left = several
    while left:
        granted = take_files(len(left))
        try:
            count, fault = open_while_possible([one.open for one in left[:granted]])
            some, left = left[:count], left[count:]
            done += write_and_sync(some, stored)
        finally:
            give_back(granted)
        if fault:
            fail(left[:1], io_failure(left[0].tmp, fault))
        if failure := next((one.failure for one in (*some, *left[:1]) if one.failure), None):
            fail(left, failure)
            break
    return done


def write_and_sync(several: Sequence[MaildirDelivery], stored: Stored) -> list[MaildirDelivery]:
    """Write these messages, then sync them; return those that can be moved to new."""
    fitting = [one for one in each(MaildirDelivery.write, several) if one.verdict is None]
    named = each(lambda one: one.find_copy(stored), fitting)
    return each(MaildirDelivery.sync, named)


def begin_write_back(file: int) -> None:
    """Let the system begin to write a file to disk: many files together take less time to sync.

    This is only a hint, whose errors do not matter: the sync of the file follows, and reports them.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def each(
    step: Callable[[MaildirDelivery], None], several: Sequence[MaildirDelivery]
) -> list[MaildirDelivery]:
    """Take one step for each message, up to the first error; return those for which it was done."""
    done: list[MaildirDelivery] = []
    for position, one in enumerate(several):
        if one.released:
            continue
        try:
            step(one)
        except OSError as error:
            fail(several[position:], io_failure(one.target or one.tmp, error))
            break
        done.append(one)
    return done


def fail(several: Sequence[MaildirDelivery], failure: PollFailed) -> None:
    """Let these messages fail, all for the same reason."""
    for one in several:
        one.fail(failure)


def sync_folders(moved: Sequence[MaildirDelivery]) -> None:
    """Sync the folders with these files, and accept the messages."""
    by_folder: dict[str, list[MaildirDelivery]] = {}
    for one in moved:
        by_folder.setdefault(os.path.dirname(one.target), []).append(one)
    for folder, several in by_folder.items():
        try:
            sync_folder(folder)
        except OSError as error:
            fail(several, io_failure(folder, error))
        else:
            for one in several:
                one.accept()


def io_failure(path: str, error: OSError) -> PollFailed:
    """Return the failure of a file operation; the message stays at the server."""
    return PollFailed(
        ExitCode.IOERR, f"{path}: {error.strerror or error}; mail stays at the server"
    )
