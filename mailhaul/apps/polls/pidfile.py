"""One daemon for each user: its pidfile, and what a second start does with it.

The file holds the pid and, on a second line, the interval, as fetchmail's does. Whether its writer
lives is not guessed from the pid: the daemon holds a lock on the file, which ends with it.
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
"""How long ``--quit`` waits for a daemon before a run goes on that was asked for as well.

The daemon lets messages that are under way arrive for 20 seconds; what begins before it has ended
would refuse to run beside it, and then there would be none at all.
"""


def default_pidfile(caller: Caller) -> str:
    """Return where the pidfile is, unless the user names one."""
    if caller.private_home is not None:
        return f"{caller.private_home}/mailhaul.pid"
    return f"{caller.home}/.mailhaul.pid"


class PidFile:
    """The pidfile of the process that takes it. Raises PollFailed (EXCLUDE) where it cannot."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def take(self, interval: int) -> None:
        """Become the daemon that this file names; a dead one's file is taken over.

        Raises PollFailed (EXCLUDE) when another one lives.
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
        """Name this process: after a fork it is another one."""
        text = b"%d\n%d\n" % (os.getpid(), interval)
        # On a full disk the lock holds all the same; it is what keeps a second daemon out.
        with suppress(OSError):
            os.pwrite(self._fd, text, 0)
            os.ftruncate(self._fd, len(text))

    def move(self, path: str, interval: int) -> None:
        """Be the daemon that another file names. Raises PollFailed, and then nothing changes."""
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
            # The lock ends with the descriptor, whatever becomes of the name.
            with suppress(OSError):
                if self._is_current():
                    os.unlink(self._path)
            os.close(self._fd)
            self._fd = -1

    def _is_current(self) -> bool:
        """Tell whether the locked file still bears the name: a daemon that ends removes it."""
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self._path))
        except FileNotFoundError:
            return False


def running(path: str) -> int:
    """Return the pid of the daemon that holds this pidfile, 0 if there is none."""
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
    """Let a daemon poll now. Raises PollFailed (EXCLUDE) for somebody else's."""
    _tell(pid, signal.SIGUSR1)


def end(pid: int, path: str, *, wait: bool, pause: Callable[[float], None] = time.sleep) -> None:
    """Ask a daemon to end, and with ``wait`` wait until it has.

    Raises PollFailed (EXCLUDE) where it cannot be told, or does not end.
    """
    _tell(pid, signal.SIGTERM)
    patience = QUIT_SECONDS if wait else 0.0
    while patience > 0 and running(path) == pid:
        pause(0.05)
        patience -= 0.05
    if wait and running(path) == pid:
        problem = f"the mailhaul at {pid} was told to end and has not ended yet"
        raise PollFailed(ExitCode.EXCLUDE, problem)


def _tell(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError as error:
        problem = f"the mailhaul at {pid} cannot be told: {error.strerror}"
        raise PollFailed(ExitCode.EXCLUDE, problem) from None


def detach() -> None:
    """Go on in a child without terminal, in the root folder; the parent ends here with 0."""
    if os.getppid() != 1 and os.fork():
        os._exit(0)
    if os.getpgrp() != os.getpid():
        os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
