"""Passwords that stand in a file, are printed by a command, or come through a descriptor.

fetchmail 7 has these options. The first line counts, without its line end. What goes wrong is said
with the place of the option, and never with what was read.
"""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache

from ...flows.outcome import ExitCode, PollFailed
from ...protocols.secret import Secret
from ..files import read_file
from .settings import AccountSettings

LONGEST = 64 * 1024
"""Octets that are read at most: a token may be long, and a wrong file longer."""
SECONDS = 60
"""How long a command may take."""


def password_from(settings: AccountSettings) -> Secret:
    """Return the password of an account that keeps it elsewhere. Raises PollFailed (AUTHFAIL)."""
    if settings.passwordfile is not None:
        return first_line(from_file(settings, settings.passwordfile), settings, "passwordfile")
    if settings.passwordeval is not None:
        return first_line(from_command(settings, settings.passwordeval), settings, "passwordeval")
    data = from_descriptor(settings, settings.passwordfd or 0)
    return first_line(data, settings, "passwordfd")


def first_line(data: bytes, settings: AccountSettings, option: str) -> Secret:
    """Return what stands before the first line end."""
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise refused(settings, option, "there is no password in it")
    return Secret(line)


def from_file(settings: AccountSettings, path: str) -> bytes:
    """Read a file, or the credential of the same name that systemd has for us."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials:
        # systemd.exec(5), LoadCredential: only this service can read what is there.
        handed_over = os.path.join(credentials, os.path.basename(path))
        path = handed_over if os.path.exists(handed_over) else path
    try:
        return read_file(path, LONGEST, pipe=True)
    except OSError as error:
        raise refused(settings, "passwordfile", f"{path}: {error.strerror or error}") from None


def from_command(settings: AccountSettings, command: str) -> bytes:
    """Run a command and take what it prints; its complaints go where ours go."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command], stdout=subprocess.PIPE, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        problem = f"the command took more than {SECONDS} seconds"
        raise refused(settings, "passwordeval", problem) from None
    if done.returncode:
        problem = f"the command ended with status {done.returncode}"
        raise refused(settings, "passwordeval", problem)
    return done.stdout


def from_descriptor(settings: AccountSettings, number: int) -> bytes:
    """Read what somebody left for us in a descriptor."""
    try:
        return drained(number)
    except OSError as error:
        problem = f"descriptor {number}: {error.strerror or error}"
        raise refused(settings, "passwordfd", problem) from None


@lru_cache
def drained(number: int) -> bytes:
    """Return all that a descriptor holds, which can be read only once. Raises OSError."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < LONGEST and (piece := os.read(number, LONGEST)):
        pieces.append(piece)
    return b"".join(pieces)


def refused(settings: AccountSettings, option: str, problem: str) -> PollFailed:
    """Say what is wrong, and where that was asked for."""
    return PollFailed(ExitCode.AUTHFAIL, f"{settings.place(option)}: {option}: {problem}")
