"""Passwords from a file, from the output of a command, or from a descriptor.

fetchmail 7 has these options. The password is the first line, without its line end. An error names
the place of the option, and never contains what was read. It is IOERR and not AUTHFAIL: no server
has refused a login, so the next attempt need not wait as long as after a refusal.
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
"""Octets that are read at most: a token may be long, and a wrong file may be longer."""
SECONDS = 60.0
"""Seconds that a command may take, and that a pipe may stay silent."""
CHECK_INTERVAL = 0.1
"""Seconds between checks whether a command has ended; its children may keep its output open."""
_descriptor_lock = Lock()


def password_from(settings: AccountSettings) -> Secret:
    """Return the password of an account from a file, a command or a descriptor.

    Raises PollFailed (IOERR).
    """
    return PasswordReader(settings).password()


class PasswordReader:
    """Reads the password of one account. ``password`` may block; another thread may ``cancel``."""

    def __init__(self, settings: AccountSettings, seconds: float = SECONDS) -> None:
        self._settings = settings
        self._seconds = seconds
        self._deadline = 0.0
        self._cancelled = False
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

    def cancel(self) -> None:
        """Stop waiting, and kill the running command."""
        self._cancelled = True
        if self._child:
            kill_command(self._child)

    def _first_line(self, data: bytes, option: str) -> Secret:
        line = data.partition(b"\n")[0].removesuffix(b"\r")
        if not line:
            raise password_failure(self._settings, option, "it contains no password")
        return Secret(line)

    def _from_file(self, path: str) -> bytes:
        """Read a file, or the systemd credential of the same name."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if credentials:
            # systemd.exec(5), LoadCredential: only this service can read these files.
            credential = os.path.join(credentials, os.path.basename(path))
            path = credential if os.path.exists(credential) else path
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
            raise password_failure(self._settings, "passwordfile", problem) from None

    def _from_command(self, command: str) -> bytes:
        """Run a command and return its output; it shares the standard error of mailhaul."""
        # It may want to read from the terminal, which only the foreground group can do.
        group = None if os.isatty(0) else 0
        argv = ["/bin/sh", "-c", command]
        try:
            child = subprocess.Popen(argv, stdout=subprocess.PIPE, process_group=group)
        except OSError as error:
            problem = f"the command cannot be run: {error.strerror or error}"
            raise password_failure(self._settings, "passwordeval", problem) from None
        self._child = child
        try:
            data = self._output_of(child)
        except TimeoutError:
            problem = f"the command took more than {self._seconds:g} seconds"
            raise password_failure(self._settings, "passwordeval", problem) from None
        finally:
            kill_command(child)
        if child.returncode:
            problem = f"the command ended with status {child.returncode}"
            raise password_failure(self._settings, "passwordeval", problem)
        return data

    def _output_of(self, child: subprocess.Popen[bytes]) -> bytes:
        """Return the output of a command, until its end. Raises TimeoutError."""
        with cast(IO[bytes], child.stdout) as output:
            data = self._read(output.fileno(), lambda: child.poll() is not None)
        try:
            left = 0.0 if self._cancelled else self._deadline - time.monotonic()
            child.wait(max(0.0, left))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return data

    def _from_descriptor(self, number: int) -> bytes:
        """Read a descriptor that the parent process has opened."""
        try:
            with _descriptor_lock:
                return read_once(number)
        except OSError as error:
            problem = f"descriptor {number}: {error.strerror or error}"
            raise password_failure(self._settings, "passwordfd", problem) from None

    def _read(self, descriptor: int, is_over: Callable[[], bool] = lambda: False) -> bytes:
        """Return at most MAX_OCTETS, until the end of the data or until ``is_over()``.

        A command may start a key agent, which keeps the output open after the command has ended.
        Raises TimeoutError or OSError.
        """
        data = bytearray()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not self._cancelled:
            # If the command has ended, all its output is already in the pipe.
            over = is_over()
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(0, f"nothing came within {self._seconds:g} seconds")
            if not poll.poll(0 if over else min(left, CHECK_INTERVAL) * 1000):
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


def kill_command(child: subprocess.Popen[bytes]) -> None:
    """Kill a command if it still runs; if it has its own process group, kill the whole group."""
    if child.poll() is None:
        with suppress(OSError):
            if os.getpgid(child.pid) == child.pid:
                os.killpg(child.pid, signal.SIGKILL)
        child.kill()
        child.wait()


@lru_cache
def read_once(number: int) -> bytes:
    """Return the data of a descriptor, which can be read only once. Raises OSError."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < MAX_OCTETS and (piece := os.read(number, MAX_OCTETS)):
        pieces.append(piece)
    return b"".join(pieces)


def password_failure(settings: AccountSettings, option: str, problem: str) -> PollFailed:
    """Return the error for an option, with the place of the option."""
    return PollFailed(ExitCode.IOERR, f"{settings.place(option)}: {option}: {problem}")
