"""A lock that allows only one poll of a mailbox at a time, in this process and in others."""

from __future__ import annotations

import fcntl
import os
from _thread import allocate_lock
from typing import ClassVar

from ...flows.outcome import ExitCode, PollFailed
from ..folders import make_private_folder

MAX_NAME = 200
"""Characters of a mailbox's name that are used in the name of its lock file."""


class SafeNames(dict[int, str]):
    """What stands for an octet in the name of a file."""

    def __missing__(self, octet: int) -> str:
        character = chr(octet)
        plain = character.isascii() and character.isalnum()
        self[octet] = character if plain else f"%{octet:x}."
        return self[octet]


_safe = SafeNames()


class MailboxLock:
    """A lock on one mailbox of an account; see ``mailhaul.flows.ledger.Lock``.

    The system releases it when the process ends for any reason, so no stale lock remains.
    """

    _held: ClassVar[set[str]] = set()
    """The locks held by this process: flock does not separate polls of one process."""
    _mutex: ClassVar = allocate_lock()

    def __init__(self, folder: str, account: str, mailbox: str) -> None:
        self._path = os.path.join(folder, file_name(f"{account}/{mailbox}"))
        self._account = account
        self._fd = -1

    def acquire(self) -> bool:
        """Acquire the lock if it is free; return False if another poll of this process holds it.

        Raises PollFailed: EXCLUDE if another process holds it, IOERR if locking fails.
        """
        with self._mutex:
            if self._path in self._held:
                return False
            self._held.add(self._path)
        try:
            self._lock()
        except BaseException:
            self._held.discard(self._path)
            raise
        return True

    def _lock(self) -> None:
        try:
            make_private_folder(os.path.dirname(self._path))
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
            os.write(self._fd, str(os.getpid()).encode())
        except BlockingIOError:
            holder = os.read(self._fd, 32).decode("ascii", "replace") or "unknown"
            self._close()
            raise PollFailed(
                ExitCode.EXCLUDE,
                f"{self._account}: another mailhaul (process {holder}) is polling this mailbox",
            ) from None
        except OSError as error:
            self._close()
            raise PollFailed(
                ExitCode.IOERR, f"lock {self._path}: {error.strerror or error}"
            ) from None

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def release(self) -> None:
        """Release the lock."""
        self._close()
        self._held.discard(self._path)


def file_name(name: str) -> str:
    """Return a file name for a lock, unique for the mailbox and valid on every file system."""
    octets = name.encode("utf-8", "surrogateescape")
    safe = octets.decode("latin-1").translate(_safe)
    if len(safe) <= MAX_NAME:
        return f"{safe}.lock"
    from zlib import crc32

    return f"{safe[:MAX_NAME]}.{len(octets)}.{crc32(octets):08x}.lock"
