"""The two locks of a mailbox file: the lock file FILE.lock ("dotlock") and an fcntl lock.

Programs that share mailbox files do not agree on one lock. So both are taken, FILE.lock first, as
most programs do. A stale FILE.lock is removed: one that names a process of this host which no
longer exists, or an old one. It is itself locked before it is removed, so that of several programs
that find it stale none removes the new lock of another.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from ..folders import open_own

STALE_SECONDS = 300
"""Age in seconds at which a FILE.lock is stale: a program that needs longer touches it."""


class MboxLock:
    """Both locks on one mailbox file, held while a message is appended.

    ``acquire`` opens the file, and creates it if necessary; ``file`` is then its descriptor.
    """

    def __init__(self, path: str, host: str) -> None:
        self.path = path
        self.dotlock_path = path + ".lock"
        self.file = -1
        self.broke_stale_lock = False
        """Whether a stale lock was removed: a program was killed here."""
        self._dotlock = -1
        self._host = host.encode("utf-8", "surrogateescape")

    def acquire(self) -> bool:
        """Take both locks; if another program holds one, take none and return False.

        Raises OSError.
        """
        try:
            if self._create_dotlock() and self._lock_mailbox():
                return True
        except OSError:
            self.release()
            raise
        self.release()
        return False

    def release(self) -> None:
        """Release the locks that are held."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        if self._dotlock >= 0:
            if leads_to(self.dotlock_path, self._dotlock):
                os.unlink(self.dotlock_path)
            os.close(self._dotlock)
            self._dotlock = -1

    def _lock_mailbox(self) -> bool:
        """Open and lock the file; return False if another program has locked or replaced it."""
        self.file = open_own(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return leads_to(self.path, self.file)

    def _create_dotlock(self) -> bool:
        """Create FILE.lock; return False if it exists."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._dotlock = os.open(self.dotlock_path, flags, 0o644)
        except FileExistsError:
            # If it is stale and removed, the next attempt succeeds.
            self._remove_stale_dotlock()
            return False
        os.write(self._dotlock, b"%d %b\n" % (os.getpid(), self._host))
        return True

    def _remove_stale_dotlock(self) -> None:
        """Remove FILE.lock if it is stale. A FIFO or a link of that name is never stale."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
        try:
            lock = os.open(self.dotlock_path, flags)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
                return
            raise
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_stale(lock) and leads_to(self.dotlock_path, lock):
                os.unlink(self.dotlock_path)
                self.broke_stale_lock = True
        except BlockingIOError:
            return
        finally:
            os.close(lock)

    def _is_stale(self, lock: int) -> bool:
        status = os.fstat(lock)
        if not stat.S_ISREG(status.st_mode):
            return False
        process, _, host = os.read(lock, 512).strip().partition(b" ")
        if process.isdigit() and host == self._host and not is_running(int(process)):
            return True
        return status.st_mtime < time.time() - STALE_SECONDS


def leads_to(path: str, file: int) -> bool:
    """Whether the path still names this open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def is_running(process: int) -> bool:
    """Whether there is a process with this id."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
