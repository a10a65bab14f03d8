"""Child processes: started without fork, watched without signals, always reaped."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress

from ..flows.requests import STATUS_UNKNOWN, ArgumentsTooLong, OpenFailed

MAX_KEPT_OUTPUT = 8 * 1024
"""Bytes of a child's output that are kept: the last ones."""

MAX_READS = 16
"""Reads in a row from one child, so that endless output does not hold the loop."""


class Child:
    """One child process.

    ``exit_fd`` becomes readable when it ends. It is None where the system has no pidfd or no more
    descriptors: then ``poll`` has to be called from time to time.
    """

    def __init__(self, pid: int, own_group: bool, apart: bool = False) -> None:
        self.pid = pid
        self._apart = apart
        self.status: int | None = None
        self._own_group = own_group
        self.exit_fd: int | None = None
        if hasattr(os, "pidfd_open"):
            # Where SIGCHLD is ignored the process may be gone already.
            with suppress(OSError):
                self.exit_fd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Return the exit status if it has ended; the number of a signal is negative."""
        if self.status is None:
            self._reap(os.WNOHANG)
        return self.status

    def _reap(self, options: int) -> None:
        try:
            pid, status = os.waitpid(self.pid, options)
        except ChildProcessError:
            # It has ended, and other code has taken its status.
            self.status = STATUS_UNKNOWN
        else:
            if not pid:
                return
            self.status = os.waitstatus_to_exitcode(status)
        self._close_exit_fd()

    def signal(self, number: int) -> None:
        """Send a signal to the child, or to its process group if it has one of its own."""
        if self.status is not None and not self._own_group:
            return
        try:
            kill = os.killpg if self._own_group else os.kill
            kill(self.pid, number)
            # A stopped process would not receive the signal.
            kill(self.pid, signal.SIGCONT)
        except (ProcessLookupError, PermissionError):
            return

    def kill_now(self) -> None:
        """Kill it and reap it; one that was started ``apart`` together with its children."""
        if self.poll() is None:
            self.signal(signal.SIGKILL)
            self._reap(0)
        elif self._apart:
            self.signal(signal.SIGKILL)

    def _close_exit_fd(self) -> None:
        if self.exit_fd is not None:
            os.close(self.exit_fd)
            self.exit_fd = None


def has_terminal() -> bool:
    """Tell whether there is a controlling terminal, where a user could answer a question."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


@contextmanager
def signals_blocked() -> Generator[None]:
    """Block the signals that end a run until the end of the ``with`` statement.

    Their handler raises. If it did so after a child has started and before the engine has
    recorded it, nothing would end the child.
    """
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def environment() -> Mapping[bytes, bytes]:
    """Return the environment for a child."""
    # posix_spawn would ask ``os.environb`` for every name and value by several calls each.
    plain: Mapping[bytes, bytes] | None = getattr(os.environ, "_data", None)
    return os.environb if plain is None else plain


IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores; an ignored signal stays ignored across exec."""


def start(
    argv: tuple[str, ...],
    stdin: int,
    stdout: int,
    stderr: int,
    *,
    variables: Sequence[tuple[str, str]] = (),
    apart: bool = False,
) -> Child:
    """Start a program found on PATH with these descriptors as 0, 1 and 2.

    All other descriptors are closed in it. It gets a process group of its own, so that it can be
    ended together with its children; but not where there is a terminal, since ssh must be able to
    ask for a passphrase there, and a background group may not read from it. No signal is blocked
    in the child, and SIGCHLD has its default action. ``variables`` are added to the environment;
    with ``apart`` the child gets its own group in any case. Raises OpenFailed.
    """
    own_group = apart or not has_terminal()
    environ = environment()
    if variables:
        environ = {**environ, **{os.fsencode(n): os.fsencode(v) for n, v in variables}}
    actions = [
        (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
    ]
    defaults = [*IGNORED_BY_PYTHON, signal.SIGCHLD]
    try:
        if own_group:
            pid = os.posix_spawnp(
                argv[0],
                argv,
                environ,
                file_actions=actions,
                setsigdef=defaults,
                setsigmask=(),
                setpgroup=0,
            )
        else:
            pid = os.posix_spawnp(
                argv[0],
                argv,
                environ,
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
    return Child(pid, own_group, apart)


class Tail:
    """Reads a pipe and keeps the last bytes of it. A descriptor of -1 means no pipe."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.open = fd >= 0
        self.kept = b""
        if self.open:
            os.set_blocking(fd, False)

    def drain(self) -> None:
        """Read what has arrived, without waiting. Endless output is read in parts."""
        for _ in range(MAX_READS):
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
            self.kept = (self.kept + data)[-MAX_KEPT_OUTPUT:]

    def close(self) -> None:
        """Stop reading."""
        if self.open:
            self.open = False
            os.close(self.fd)
