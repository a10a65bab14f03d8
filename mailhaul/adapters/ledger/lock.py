"""One mailhaul at a time on one account."""

from __future__ import annotations

import fcntl
import os

from ...flows.outcome import ExitCode, PollFailed


class AccountLock:
    """A lock on one account, held while its poll runs.

    The system releases it when the process ends, however it ends, so a dead holder never
    blocks. Raises PollFailed (EXCLUDE) when another process holds it, (IOERR) when no lock
    can be had.
    """

    def __init__(self, folder: str, account: str) -> None:
        self._path = os.path.join(folder, file_name(account))
        self._account = account
        self._fd = -1

    def __enter__(self) -> AccountLock:
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
            os.write(self._fd, str(os.getpid()).encode())
        except BlockingIOError:
            holder = os.read(self._fd, 32).decode("ascii", "replace") or "unknown"
            self.__exit__()
            raise PollFailed(
                ExitCode.EXCLUDE,
                f"{self._account}: another mailhaul (process {holder}) is polling this account",
            ) from None
        except OSError as error:
            self.__exit__()
            raise PollFailed(
                ExitCode.IOERR, f"lock {self._path}: {error.strerror or error}"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def file_name(account: str) -> str:
    """Return a name for the lock that no other account has and every file system takes."""
    safe = "".join(c if c.isascii() and c.isalnum() else f"%{ord(c):x}." for c in account)
    return f"{safe[:200]}.{len(account)}.lock"
