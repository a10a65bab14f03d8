"""One mailhaul at a time on one account."""

from __future__ import annotations

import fcntl
import os
from typing import ClassVar

from ...flows.outcome import ExitCode, PollFailed
from ..folders import make_private_folder


class AccountLock:
    """A lock on one account, held while its poll runs.

    The system releases it when the process ends, however it ends, so a dead holder never
    blocks. Within one process, who polls its several mailboxes may hold it several times.
    Raises PollFailed (EXCLUDE) when another process holds it, (IOERR) when no lock can be had.
    """

    _held: ClassVar[dict[str, tuple[int, int]]] = {}
    """The descriptor of each lock of this process, and how often it is held."""

    def __init__(self, folder: str, account: str) -> None:
        self._path = os.path.join(folder, file_name(account))
        self._account = account
        self._fd = -1

    def __enter__(self) -> AccountLock:
        self._fd, times = self._held.get(self._path, (-1, 0))
        if not times:
            self._lock()
        self._held[self._path] = (self._fd, times + 1)
        return self

    def _lock(self) -> None:
        try:
            make_private_folder(os.path.dirname(self._path))
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
            os.write(self._fd, str(os.getpid()).encode())
        except BlockingIOError:
            holder = os.read(self._fd, 32).decode("ascii", "replace") or "unknown"
            os.close(self._fd)
            raise PollFailed(
                ExitCode.EXCLUDE,
                f"{self._account}: another mailhaul (process {holder}) is polling this account",
            ) from None
        except OSError as error:
            if self._fd >= 0:
                os.close(self._fd)
            raise PollFailed(
                ExitCode.IOERR, f"lock {self._path}: {error.strerror or error}"
            ) from None

    def __exit__(self, *_: object) -> None:
        fd, times = self._held.pop(self._path)
        if times > 1:
            self._held[self._path] = (fd, times - 1)
        else:
            os.close(fd)


def file_name(account: str) -> str:
    """Return a name for the lock that no other account has and every file system takes."""
    safe = "".join(c if c.isascii() and c.isalnum() else f"%{ord(c):x}." for c in account)
    return f"{safe[:200]}.{len(account)}.lock"
