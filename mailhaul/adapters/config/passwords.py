"""Passwords that stand in a file, are printed by a command, or come through a descriptor.

fetchmail 7 has these options. The first line counts, without its line end. What goes wrong is said
with the place of the option, and never with what was read. It is IOERR and not AUTHFAIL: no server
has refused a login, so that the next try need not wait as long as after one.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from threading import Lock
from typing import IO, cast

from ...flows.outcome import ExitCode, PollFailed
from ...protocols.secret import Secret
from ..files import open_file
from .settings import AccountSettings

MAX_OCTETS = 64 * 1024
"""Octets that are read at most: a token may be long, and a wrong file longer."""
SECONDS = 60.0
"""How long a command may take, and a pipe to say something."""
LOOK = 0.1
"""Seconds between looks at whether a command has ended while what it started keeps its output."""
_one_reader = Lock()


def password_from(settings: AccountSettings) -> Secret:
    """Return the password of an account that keeps it elsewhere. Raises PollFailed (IOERR)."""
    return Asking(settings).password()


class Asking:
    """Reads the password of one account. ``password`` may take its time; another thread may end
    that by ``give_up``.
    """

    def __init__(self, settings: AccountSettings, seconds: float = SECONDS) -> None:
        self._settings = settings
        self._seconds = seconds
        self._deadline = 0.0
        self._given_up = False
        self._child: subprocess.Popen[bytes] | None = None

    def password(self) -> Secret:
        """Return the password. Raises PollFailed (IOERR)."""
        self._deadline = time.monotonic() + self._seconds
        settings = self._settings
        if settings.passwordfile is not None:
            return self._first_line(self._from_file(settings.passwordfile), "passwordfile")
        if settings.passwordeval is not None:
            return self._first_line(self._from_command(settings.passwordeval), "passwordeval")
        return self._first_line(self._from_descriptor(settings.passwordfd or 0), "passwordfd")

    def give_up(self) -> None:
        """Do not wait any longer; end the command that runs."""
        self._given_up = True
        if self._child:
            end(self._child)

    def _first_line(self, data: bytes, option: str) -> Secret:
        line = data.partition(b"\n")[0].removesuffix(b"\r")
        if not line:
            raise refused(self._settings, option, "there is no password in it")
        return Secret(line)

    def _from_file(self, path: str) -> bytes:
        """Read a file, or the credential of the same name that systemd has for us."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if credentials:
            # systemd.exec(5), LoadCredential: only this service can read what is there.
            handed_over = os.path.join(credentials, os.path.basename(path))
            path = handed_over if os.path.exists(handed_over) else path
        try:
            descriptor = open_file(path, pipe=True)
            try:
                if os.fstat(descriptor).st_size > MAX_OCTETS:
                    raise OSError(errno.EFBIG, f"more than {MAX_OCTETS} octets", path)
                return self._read(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            problem = f"{path}: {error.strerror or error}"
            raise refused(self._settings, "passwordfile", problem) from None

    def _from_command(self, command: str) -> bytes:
        """Run a command and take what it prints; its complaints go where ours go."""
        # With a terminal it may want to ask there, which is for the foreground group alone.
        group = None if os.isatty(0) else 0
        argv = ["/bin/sh", "-c", command]
        try:
            child = subprocess.Popen(argv, stdout=subprocess.PIPE, process_group=group)
        except OSError as error:
            problem = f"the command cannot be run: {error.strerror or error}"
            raise refused(self._settings, "passwordeval", problem) from None
        self._child = child
        try:
            data = self._printed(child)
        except TimeoutError:
            problem = f"the command took more than {self._seconds:g} seconds"
            raise refused(self._settings, "passwordeval", problem) from None
        finally:
            end(child)
        if child.returncode:
            problem = f"the command ended with status {child.returncode}"
            raise refused(self._settings, "passwordeval", problem)
        return data

    def _printed(self, child: subprocess.Popen[bytes]) -> bytes:
        """Return what a command prints until its end. Raises TimeoutError."""
        with cast(IO[bytes], child.stdout) as output:
            data = self._read(output.fileno(), lambda: child.poll() is not None)
        try:
            left = 0.0 if self._given_up else self._deadline - time.monotonic()
            child.wait(max(0.0, left))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return data

    def _from_descriptor(self, number: int) -> bytes:
        """Read what somebody left for us in a descriptor."""
        try:
            with _one_reader:
                return drained(number)
        except OSError as error:
            problem = f"descriptor {number}: {error.strerror or error}"
            raise refused(self._settings, "passwordfd", problem) from None

    def _read(self, descriptor: int, is_over: Callable[[], bool] = lambda: False) -> bytes:
        """Return what comes, up to LONGEST, until the end or until it ``is_over``.

        A key agent that a command has started keeps its output open long after it. Raises
        TimeoutError, and OSError.
        """
        data = bytearray()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not self._given_up:
            # What was said before the end is there by then.
            over = is_over()
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(0, f"nothing came within {self._seconds:g} seconds")
            if not poll.poll(0 if over else min(left, LOOK) * 1000):
                if over:
                    break
                continue
            piece = os.read(descriptor, MAX_OCTETS)
            if not piece:
                break
            data += piece[: MAX_OCTETS - len(data)]
            if len(data) == MAX_OCTETS and not self._child:
                break
        return bytes(data)


def end(child: subprocess.Popen[bytes]) -> None:
    """Kill a command that still runs, with all that it has started where it has its own group."""
    if child.poll() is None:
        with suppress(OSError):
            if os.getpgid(child.pid) == child.pid:
                os.killpg(child.pid, signal.SIGKILL)
        child.kill()
        child.wait()


@lru_cache
def drained(number: int) -> bytes:
    """Return all that a descriptor holds, which can be read only once. Raises OSError."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < MAX_OCTETS and (piece := os.read(number, MAX_OCTETS)):
        pieces.append(piece)
    return b"".join(pieces)


def refused(settings: AccountSettings, option: str, problem: str) -> PollFailed:
    """Say what is wrong, and where that was asked for."""
    return PollFailed(ExitCode.IOERR, f"{settings.place(option)}: {option}: {problem}")
