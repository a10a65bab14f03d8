"""The pidfile: there is one daemon for each user.

The file holds the pid and, on a second line, the interval, as fetchmail's does. The
daemon holds a lock on the file, which ends with the process; so a stale pid is never trusted.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from ...adapters.config.caller import Caller
from ...flows.outcome import ExitCode, PollFailed

QUIT_SECONDS = 30.0
"""Seconds that ``--quit`` waits for the end of a daemon before it starts another run.

The daemon finishes messages under way for 20 seconds. A run that starts earlier would refuse to run
beside it, and then no process would be left.
"""


def default_pidfile(caller: Caller) -> str:
    """Return the path of the pidfile, unless the user names one."""
    if caller.private_home is not None:
        return f"{caller.private_home}/mailhaul.pid"
    return f"{caller.home}/.mailhaul.pid"


class PidFile:
    """The pidfile of this process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def take(self, interval: int) -> None:
        """Write the pidfile and lock it; the file of a process that has ended is replaced.

        Raises PollFailed (EXCLUDE) if another daemon runs, or the file cannot be written.
        """
        try:
            while True:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_current():
                    break
                os.close(self._fd)
        except BlockingIOError:
            raise PollFailed(
                ExitCode.EXCLUDE, f"another mailhaul is running at {running(self._path)}."
            ) from None
        except OSError as error:
            problem = f"pidfile {self._path}: {error.strerror or error}"
            raise PollFailed(ExitCode.EXCLUDE, problem) from None
        self.write(interval)

    def write(self, interval: int) -> None:
        """Write the pid of this process, which changes with a fork."""
        text = b"%d\n%d\n" % (os.getpid(), interval)
        # On a full disk the lock still holds, and it is the lock that keeps a second daemon out.
        with suppress(OSError):
            os.pwrite(self._fd, text, 0)
            os.ftruncate(self._fd, len(text))

    def move(self, path: str, interval: int) -> None:
        """Use another pidfile. Raises PollFailed (EXCLUDE), and then nothing changes."""
        if path == self._path:
            self.write(interval)
            return
        other = PidFile(path)
        other.take(interval)
        self.release()
        self._path, self._fd = path, other._fd

    def release(self) -> None:
        """Remove the file, and with it the lock."""
        if self._fd >= 0:
            # The lock ends with the descriptor, even if the file cannot be removed.
            with suppress(OSError):
                if self._is_current():
                    os.unlink(self._path)
            os.close(self._fd)
            self._fd = -1

    def _is_current(self) -> bool:
        """Whether the locked file is still at this path: a daemon that ends removes it."""
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self._path))
        except FileNotFoundError:
            return False


def running(path: str) -> int:
    """Return the pid of the daemon that holds this pidfile; 0 if there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        first = os.read(fd, 100).split(b"\n")[0]
        return int(first) if first.isdigit() else 0
    finally:
        os.close(fd)
    return 0


def wake(pid: int) -> None:
    """Make a daemon poll now. Raises PollFailed (EXCLUDE) if it belongs to another user."""
    _tell(pid, signal.SIGUSR1)


def end(pid: int, path: str, *, wait: bool, pause: Callable[[float], None] = time.sleep) -> None:
    """Ask a daemon to end; with ``wait``, return after it has ended.

    Raises PollFailed (EXCLUDE) if it cannot be signalled, or does not end.
    """
    _tell(pid, signal.SIGTERM)
    patience = QUIT_SECONDS if wait else 0.0
    while patience > 0 and running(path) == pid:
        pause(0.05)
        patience -= 0.05
    if wait and running(path) == pid:
        problem = f"the mailhaul at {pid} was asked to end and still runs"
        raise PollFailed(ExitCode.EXCLUDE, problem)


def _tell(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError as error:
        problem = f"the mailhaul at {pid} cannot be signalled: {error.strerror}"
        raise PollFailed(ExitCode.EXCLUDE, problem) from None


def detach() -> None:
    """Continue in a child process without terminal, in the root folder; the parent exits with 0."""
    if os.getppid() != 1 and os.fork():
        os._exit(0)
    if os.getpgrp() != os.getpid():
        os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
