"""A disk in memory, in the place of ``os``: what was not synced may be gone after a power loss.

A file's octets are on the disk behind fsync of the file, a name behind fsync of its folder; of
what was not synced, chance decides (POSIX promises no more). Whatever is asked for beside files
goes to the real ``os``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

from mailhaul.adapters import folders
from mailhaul.adapters.sinks import imap_append, maildir, mda, spool

from .faults import Fault, Kind

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

    def stat(self) -> Entry:
        """Return what has the time of the last change."""
        return self


class Disk:
    """What the sinks take for ``os``. ``due`` tells whether something goes wrong."""

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

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    # For the test

    def files(self, folder: str) -> list[bytes]:
        """Return the contents of all files in a folder."""
        return [bytes(f.data) for path, f in self._names.items() if within(path, folder)]

    @property
    def left_open(self) -> int:
        """How many descriptors nobody has closed."""
        return len(self._open) + len(self._spools)

    def process_ends(self) -> None:
        """Close what the process had open."""
        self._open.clear()
        for spool_file in self._spools:
            os.close(spool_file)
        self._spools.clear()

    def lose_power(self, random: Random) -> None:
        """Keep what was synced, and of the rest what chance has brought to the disk."""
        for path in self._names.keys() | self._durable.keys():
            if random.random() < 0.5:
                self._sync_name(path)
        self._names = {name: file for name, file in self._durable.items() if self._is_held(name)}
        for file in set(self._names.values()):
            if file.synced is not None or random.random() < 0.5:
                file.data = bytearray(file.synced or b"")

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
        fault = self._due(f"disk {call}")
        if fault and fault.name in ERRORS:
            number = ERRORS[fault.name]
            raise OSError(number, os.strerror(number))
        return fault

    # In the place of os

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
            if path in self._names:
                raise FileExistsError(errno.EEXIST, "File exists")
            target = self._names[path] = File()
        self._next += 1
        self._open[self._next] = target
        return self._next

    def memfd_create(self, name: str, flags: int) -> int:
        self._check("memfd_create")
        spool_file = os.memfd_create(name, flags)
        self._spools.add(spool_file)
        return spool_file

    def write(self, descriptor: int, data: bytes) -> int:
        fault = self._check("write")
        if fault:
            data = data[: 1 + fault.amount % 7]
        if descriptor < FIRST_DESCRIPTOR:
            return os.write(descriptor, data)
        file = self._open[descriptor]
        assert isinstance(file, File)
        file.data += data
        return len(data)

    def fsync(self, descriptor: int) -> None:
        self._check("fsync")
        target = self._open[descriptor]
        if isinstance(target, File):
            target.synced = bytes(target.data)
            return
        for path in self._names.keys() | self._durable.keys():
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


def within(path: str, folder: str) -> bool:
    """Whether a path is that of an entry of this folder."""
    return os.path.dirname(path) == folder


@contextmanager
def in_place_of_os(disk: Disk) -> Iterator[None]:
    """Let the sinks write to this disk."""
    with ExitStack() as patches:
        for module in (folders, maildir, mda, spool, imap_append):
            patches.enter_context(patch.object(module, "os", disk))
        yield


ERRORS = {
    "no space": errno.ENOSPC,
    "over quota": errno.EDQUOT,
    "input/output error": errno.EIO,
    "permission denied": errno.EACCES,
    "read-only disk": errno.EROFS,
}
WRITING = ("disk open", "disk write", "disk fsync", "disk memfd_create")
CALLS = ("mkdir", "scandir", "open", "write", "fsync", "rename", "unlink", "memfd_create")
EVERY = tuple(f"disk {call}" for call in CALLS)
FAULTS = {
    "no space": Kind("the disk is full", WRITING),
    "over quota": Kind("the user has no room", WRITING),
    "input/output error": Kind("the disk is broken", EVERY),
    "permission denied": Kind("somebody has changed the rights", EVERY),
    "read-only disk": Kind("the disk was mounted again for reading only", EVERY),
    "short write": Kind("the disk takes some octets at a time", ("disk write",)),
    "renamed, and an error": Kind("the rename is done and fails", ("disk rename",)),
}
