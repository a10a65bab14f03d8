"""A disk in memory, in the place of ``os``: what was not synced may be gone after a power loss.

A file's octets are on the disk behind fsync of the file, a name behind fsync of its folder; of
what was not synced, chance decides (POSIX promises no more). Whatever is asked for beside files
goes to the real ``os``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from mailhaul.adapters import folders
from mailhaul.adapters.sinks import (
    bsmtp,
    bsmtp_mend,
    gmail_delivery,
    imap_append,
    maildir,
    maildir_copies,
    mbox,
    mda,
    spool,
    spooled,
)
from mailhaul.runtimes.simulated import Killed

from .faults import ALL_AGAIN, DEATHS, Fault, Kind

FIRST_DESCRIPTOR = 1_000_000
ROOTS = {"/", "/tmp"}
"""Folders that are there before everything."""


@dataclass(eq=False, slots=True)
class File:
    """Octets, and those of them that a power loss leaves."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytes | None = None


@dataclass(slots=True)
class Entry:
    """One entry of a folder, as scandir gives it."""

    name: str
    path: str
    st_mtime: float = 2e9

    def stat(self, *, follow_symlinks: bool = True) -> Entry:
        """Return what has the time of the last change."""
        return self

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """All of them are."""
        return True


@dataclass(slots=True)
class Status:
    """What fstat tells of a file: nobody has written to it for long."""

    st_size: int
    st_ino: int
    st_mode: int = stat.S_IFREG | 0o600
    st_mtime: float = 0.0
    st_uid: int = 0


class Disk:
    """What the sinks take for ``os``. ``due`` tells whether something goes wrong.

    A kill in the midst of a call leaves what it has done so far; ``killer`` is its fault.
    """

    def __init__(self, due: Callable[[str], Fault | None]) -> None:
        self._due = due
        self.path = self
        self.join = os.path.join
        self.dirname = os.path.dirname
        self._names: dict[str, File] = {}
        self._durable: dict[str, File] = {}
        self._open: dict[int, File | str] = {}
        self._spools: set[int] = set()
        self._next = FIRST_DESCRIPTOR
        self.killer: Fault | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name) if hasattr(os, name) else getattr(os.path, name)

    # For the test

    def files(self, folder: str) -> list[bytes]:
        """Return the contents of all files in a folder."""
        return [bytes(f.data) for path, f in self._names.items() if within(path, folder)]

    def content(self, path: str) -> bytes:
        """Return what is in a file, b"" if there is none."""
        return bytes(self._names[path].data) if path in self._names else b""

    @property
    def left_open(self) -> int:
        """How many descriptors nobody has closed."""
        return len(self._open) + len(self._spools)

    def process_ends(self) -> None:
        """Close what the process had open."""
        self.killer = None
        self._open.clear()
        for spool_file in self._spools:
            os.close(spool_file)
        self._spools.clear()

    def lose_power(self, random: Random) -> None:
        """Keep what was synced, and of the rest what chance has brought to the disk."""
        # In the same order in each run: a seed has to replay exactly.
        for path in sorted(self._names.keys() | self._durable.keys()):
            if random.random() < 0.5:
                self._sync_name(path)
        self._names = {name: file for name, file in self._durable.items() if self._is_held(name)}
        for file in dict.fromkeys(self._names.values()):
            if file.synced is not None or random.random() < 0.5:
                synced = file.synced or b""
                more = bytes(file.data[len(synced) :])
                file.data = bytearray(synced + more[: random.randrange(len(more) + 1)])

    def _is_held(self, path: str) -> bool:
        """Whether the folders above a file are on the disk."""
        folder = os.path.dirname(path)
        return folder in ROOTS or (folder in self._durable and self._is_held(folder))

    def _sync_name(self, path: str) -> None:
        if path in self._names:
            self._durable[path] = self._names[path]
        else:
            self._durable.pop(path, None)

    def _check(self, call: str) -> Fault | None:
        """Return what is to go wrong with this call, if it does not fail outright."""
        if self.killer:
            raise Killed
        fault = self._due(f"disk {call}")
        if fault and fault.name in DEATHS:
            self.killer = fault
            if call not in {"write", "spool"}:
                raise Killed
        if fault and fault.name in ERRORS:
            number = ERRORS[fault.name]
            raise OSError(number, os.strerror(number))
        return fault

    # In the place of os

    def isfile(self, path: str) -> bool:
        return path in self._names

    exists = isfile

    def isdir(self, path: str) -> bool:
        return path in ROOTS or path in self._names

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        self._check("mkdir")
        self._names[path] = File()

    @contextmanager
    def scandir(self, path: str) -> Iterator[list[Entry]]:
        self._check("scandir")
        paths = [name for name in self._names if within(name, path)]
        yield [Entry(os.path.basename(name), name) for name in paths]

    def lexists(self, path: str) -> bool:
        return path in self._names

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        self._check("open")
        target: File | str = path
        if not flags & os.O_DIRECTORY:
            if path not in self._names:
                if not flags & os.O_CREAT:
                    raise FileNotFoundError(errno.ENOENT, "No such file or directory")
                self._names[path] = File()
            elif flags & os.O_EXCL:
                raise FileExistsError(errno.EEXIST, "File exists")
            target = self._names[path]
            if flags & os.O_TRUNC:
                target.data.clear()
        self._next += 1
        self._open[self._next] = target
        return self._next

    def memfd_create(self, name: str, flags: int) -> int:
        self._check("memfd_create")
        spool_file = os.memfd_create(name, flags)
        self._spools.add(spool_file)
        return spool_file

    def write(self, descriptor: int, data: bytes) -> int:
        fault = self._check("write" if descriptor >= FIRST_DESCRIPTOR else "spool")
        if fault:
            data = data[: 1 + fault.amount % (len(data) if self.killer else 7)]
        if descriptor < FIRST_DESCRIPTOR:
            written = os.write(descriptor, data)
        else:
            self._file(descriptor).data += data
            written = len(data)
        if self.killer:
            raise Killed
        return written

    def _file(self, descriptor: int) -> File:
        file = self._open[descriptor]
        assert isinstance(file, File)
        return file

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        self._check("pread")
        if descriptor < FIRST_DESCRIPTOR:
            return os.pread(descriptor, length, offset)
        return bytes(self._file(descriptor).data[offset : offset + length])

    def read(self, descriptor: int, length: int) -> bytes:
        self._check("read")
        return bytes(self._file(descriptor).data[:length])

    def fstat(self, descriptor: int) -> Status:
        file = self._file(descriptor)
        return Status(len(file.data), id(file))

    def ftruncate(self, descriptor: int, length: int) -> None:
        self._check("ftruncate")
        del self._file(descriptor).data[length:]

    def fsync(self, descriptor: int) -> None:
        self._check("fsync")
        target = self._open[descriptor]
        if isinstance(target, File):
            target.synced = bytes(target.data)
            return
        # In the same order in each run: a seed has to replay exactly.
        for path in sorted(self._names.keys() | self._durable.keys()):
            if within(path, target):
                self._sync_name(path)

    def rename(self, old: str, new: str) -> None:
        fault = self._check("rename")
        self._names[new] = self._names.pop(old)
        if fault:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def unlink(self, path: str) -> None:
        self._check("unlink")
        if self._names.pop(path, None) is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    def close(self, descriptor: int) -> None:
        if descriptor < FIRST_DESCRIPTOR:
            self._spools.discard(descriptor)
            os.close(descriptor)
        else:
            del self._open[descriptor]


class Lock:
    """A replacement for ``MboxLock``: no other program uses the file."""

    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self._path = path
        self.file = -1
        self.broke_stale_lock = True

    def acquire(self) -> bool:
        self.file = self._disk.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        return True

    def release(self) -> None:
        if self.file >= 0:
            self._disk.close(self.file)


def within(path: str, folder: str) -> bool:
    """Whether a path is that of an entry of this folder."""
    return os.path.dirname(path) == folder


NO_LOCKS = SimpleNamespace(flock=lambda file, how: None, LOCK_EX=0, LOCK_NB=0)
"""A replacement for ``fcntl``: no other program uses the batch."""
MODULES = (
    bsmtp,
    bsmtp_mend,
    folders,
    gmail_delivery,
    imap_append,
    maildir,
    maildir_copies,
    mbox,
    mda,
    spool,
    spooled,
)


@contextmanager
def in_place_of_os(disk: Disk) -> Iterator[None]:
    """Let the sinks write to this disk."""
    with ExitStack() as patches:
        for module in MODULES:
            patches.enter_context(patch.object(module, "os", disk))
        patches.enter_context(patch.object(bsmtp, "fcntl", NO_LOCKS))
        patches.enter_context(patch.object(mbox, "MboxLock", lambda path, _: Lock(disk, path)))
        yield


ERRORS = {
    "no space": errno.ENOSPC,
    "over quota": errno.EDQUOT,
    "input/output error": errno.EIO,
    "permission denied": errno.EACCES,
    "read-only disk": errno.EROFS,
}
WRITING = ("disk open", "disk write", "disk spool", "disk fsync", "disk memfd_create")
FILES = ("open", "write", "read", "fsync", "pread", "ftruncate", "memfd_create", "spool")
FOLDERS = ("mkdir", "scandir", "rename", "unlink")
EVERY = tuple(f"disk {call}" for call in (*FILES, *FOLDERS))
"""What may be asked of a disk; to "spool" is to write what has no name yet."""
FAULTS = {
    "no space": Kind("the disk is full", WRITING),
    "over quota": Kind("the user has no room", WRITING),
    "input/output error": Kind("the disk is broken", EVERY),
    "permission denied": Kind("somebody has changed the rights", EVERY),
    "read-only disk": Kind("the disk was mounted again for reading only", EVERY),
    "short write": Kind("the disk takes some octets at a time", ("disk write", "disk spool")),
    "kill in a call": Kind("the process is killed in a system call", EVERY, copies=1),
    "power loss in a call": Kind("what was not synced may be gone", EVERY, copies=ALL_AGAIN),
    "renamed, and an error": Kind("the rename is done and fails", ("disk rename",)),
}
