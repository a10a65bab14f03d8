"""The rc file on disk: may it be read, and what is in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from .errors import EXIT_PERMISSIONS, ConfigRefused

_FORBIDDEN = 0o067
"""Mode bits that nobody but the owner may have; execution by the group is harmless."""


class RcFileRefused(ConfigRefused):
    """The file is not one that passwords should be read from (exit code 6)."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, EXIT_PERMISSIONS)


def read_rcfile(
    path: str, uid: int, read_stdin: Callable[[], bytes], *, checked: bool = True
) -> bytes:
    """Return the bytes of the rc file; none if it does not exist.

    ``-`` is the standard input. The file must be regular and belong to ``uid``, and nobody
    else may read or write it; ``/dev/null`` is fine as it is, and ``checked`` switches the
    checks off. Raises RcFileRefused.
    """
    if path == "-":
        return read_stdin()
    if path == os.devnull:
        return b""
    try:
        # Not to wait for somebody to write to what turns out to be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return b""
    except OSError as fault:
        raise _unreadable(path, fault) from None
    try:
        # The open file is checked, so that nobody can put another one in its place.
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode) or (checked and not stat.S_ISREG(status.st_mode)):
            raise RcFileRefused(f"File {path} must be a regular file.")
        if checked:
            _check(path, status, uid)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError as fault:
        raise _unreadable(path, fault) from None
    finally:
        os.close(descriptor)


def _unreadable(path: str, fault: OSError) -> RcFileRefused:
    return RcFileRefused(f"File {path} cannot be read: {fault.strerror}.")


def _check(path: str, status: os.stat_result, uid: int) -> None:
    if status.st_mode & _FORBIDDEN:
        raise RcFileRefused(f"File {path} must have no more than -rwx------ (0700) permissions.")
    if status.st_uid != uid:
        raise RcFileRefused(f"File {path} must be owned by you.")


def folder_of(path: str) -> str | None:
    """Return the folder that relative paths in this rc file belong to; None for ``-``."""
    return None if path == "-" else os.path.dirname(path) or None
