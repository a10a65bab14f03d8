"""The locks of a mailbox file: FILE.lock for those who look at that, and fcntl for the others.

Programs that share mailbox files agree on no one lock, so both are taken, FILE.lock first, as most
do. A FILE.lock that a killed program left behind goes when its process is gone, if it names one of
this host, or when it is old. Who takes it away has locked it: of several that find it stale, none
removes the fresh one of another.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from ..folders import open_own

STALE = 300
"""Seconds after which a FILE.lock belongs to nobody any more: who needs longer, touches it."""


class MboxLock:
    """Both locks on one mailbox file, for as short a time as it takes to append to it.

    ``take`` opens the file, and makes it if need be; ``file`` is its descriptor then.
    """

    def __init__(self, path: str, host: str) -> None:
        self.path = path
        self.lock_path = path + ".lock"
        self.file = -1
        self.broke = False
        """Whether a lock was taken away that nobody held: somebody was killed here."""
        self._lock = -1
        self._host = host.encode("utf-8", "surrogateescape")

    def take(self) -> bool:
        """Take both locks; False, and neither, while another program has one. Raises OSError."""
        try:
            if self._make_lock() and self._lock_file():
                return True
        except OSError:
            self.release()
            raise
        self.release()
        return False

    def release(self) -> None:
        """Give back what is held."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        if self._lock >= 0:
            if names(self.lock_path, self._lock):
                os.unlink(self.lock_path)
            os.close(self._lock)
            self._lock = -1

    def _lock_file(self) -> bool:
        """Open and lock the file; False if another program writes to it, or has replaced it."""
        self.file = open_own(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return names(self.path, self.file)

    def _make_lock(self) -> bool:
        """Make FILE.lock; False if there is one."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._lock = os.open(self.lock_path, flags, 0o644)
        except FileExistsError:
            # A stale one makes room for the next attempt.
            self._remove_stale()
            return False
        os.write(self._lock, b"%d %b\n" % (os.getpid(), self._host))
        return True

    def _remove_stale(self) -> None:
        """Remove a FILE.lock that is nobody's. A FIFO or a link of that name is somebody's."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
        try:
            lock = os.open(self.lock_path, flags)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
                return
            raise
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_stale(lock) and names(self.lock_path, lock):
                os.unlink(self.lock_path)
                self.broke = True
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
        return status.st_mtime < time.time() - STALE


def names(path: str, file: int) -> bool:
    """Whether the path still leads to this open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def is_running(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
