"""Child processes: started without fork, watched without signals, always reaped."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress

from ..flows.channel import STATUS_UNKNOWN
from ..flows.requests import ArgumentsTooLong, OpenFailed

KEPT_OUTPUT = 8 * 1024
"""How many bytes of a child's standard error are kept: the last ones."""

READS = 16
"""How often it is read from at once: others have their turn, though a child never stops."""


class Child:
    """One child process.

    ``exit_fd`` becomes readable when it ends (None where the system has no pidfd, or no more
    descriptors: then ``poll`` has to be asked from time to time).
    """

    def __init__(self, pid: int, own_group: bool) -> None:
        self.pid = pid
        self.status: int | None = None
        self._own_group = own_group
        self.exit_fd: int | None = None
        if hasattr(os, "pidfd_open"):
            # Where SIGCHLD is ignored it may be gone already.
            with suppress(OSError):
                self.exit_fd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Return the exit status if it has ended: negative for a signal's number."""
        if self.status is None:
            self._reap(os.WNOHANG)
        return self.status

    def _reap(self, options: int) -> None:
        try:
            pid, status = os.waitpid(self.pid, options)
        except ChildProcessError:
            # It has ended, and its status went to somebody else.
            self.status = STATUS_UNKNOWN
        else:
            if not pid:
                return
            self.status = os.waitstatus_to_exitcode(status)
        self._forget()

    def signal(self, number: int) -> None:
        """Send a signal to the child and, where it leads one, to its process group."""
        if self.status is not None and not self._own_group:
            return
        try:
            kill = os.killpg if self._own_group else os.kill
            kill(self.pid, number)
            # One that is stopped would not hear of it.
            kill(self.pid, signal.SIGCONT)
        except (ProcessLookupError, PermissionError):
            return

    def kill_now(self) -> None:
        """End it at once and reap it."""
        if self.poll() is None:
            self.signal(signal.SIGKILL)
            self._reap(0)

    def _forget(self) -> None:
        if self.exit_fd is not None:
            os.close(self.exit_fd)
            self.exit_fd = None


def has_terminal() -> bool:
    """Tell whether somebody could answer a question on a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


@contextmanager
def undisturbed() -> Generator[None]:
    """Hold back the signals that end a run until the block is over.

    Their handler raises: between a child's start and the note that it is there, nobody
    would end the child.
    """
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


INHERITED_FROM_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores; an ignored signal stays ignored across exec."""


def start(argv: tuple[str, ...], stdin: int, stdout: int, stderr: int) -> Child:
    """Start a program found on PATH with these descriptors as 0, 1 and 2.

    Everything else that we have opened is closed in it. It leads a process group of its own, so
    that all of it can be ended; but not where there is a terminal, since ssh must be able to ask
    for a passphrase there, which a background group may not. No signal is blocked in it, and its
    own children leave it a status. Raises OpenFailed.
    """
    own_group = not has_terminal()
    actions = [
        (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
    ]
    defaults = [*INHERITED_FROM_PYTHON, signal.SIGCHLD]
    try:
        if own_group:
            pid = os.posix_spawnp(
                argv[0],
                argv,
                os.environ,
                file_actions=actions,
                setsigdef=defaults,
                setsigmask=(),
                setpgroup=0,
            )
        else:
            pid = os.posix_spawnp(
                argv[0],
                argv,
                os.environ,
                file_actions=actions,
                setsigdef=defaults,
                setsigmask=(),
            )
    except FileNotFoundError:
        raise OpenFailed(f'program "{argv[0]}" not found') from None
    except OSError as error:
        kind = ArgumentsTooLong if error.errno == errno.E2BIG else OpenFailed
        raise kind(f'program "{argv[0]}" cannot be run: {error.strerror}') from None
    except ValueError as error:
        raise OpenFailed(f'program "{argv[0]!r}" cannot be run: {error}') from None
    return Child(pid, own_group)


class Tail:
    """The last bytes that came out of a pipe; the rest is read and dropped. -1 is no pipe."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.open = fd >= 0
        self.kept = b""
        if self.open:
            os.set_blocking(fd, False)

    def drain(self) -> None:
        """Read what is there, without waiting; of what comes without end only a part."""
        for _ in range(READS):
            if not self.open:
                return
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            self.kept = (self.kept + data)[-KEPT_OUTPUT:]

    def close(self) -> None:
        """Stop reading."""
        if self.open:
            self.open = False
            os.close(self.fd)
