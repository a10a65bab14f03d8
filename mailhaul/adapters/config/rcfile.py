"""Read the rc file, if its owner and permissions are safe."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from ..files import RC_FILE, open_file, read_all
from .errors import EXIT_PERMISSIONS, ConfigRefused

_FORBIDDEN = 0o067
"""Mode bits that the file must not have; execution by the group is harmless."""


class RcFileRefused(ConfigRefused):
    """The file is not safe to read passwords from (exit code 6)."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, EXIT_PERMISSIONS)


def read_rcfile(
    path: str, uid: int, read_stdin: Callable[[], bytes], *, checked: bool = True
) -> bytes:
    """Return the bytes of the rc file; b"" if it does not exist.

    ``-`` is standard input. The file must be regular, or a pipe that this process inherited. It
    must belong to ``uid``, and no other user may read or write it. ``/dev/null`` is always allowed.
    Without ``checked``, owner and permissions do not matter. Raises RcFileRefused.
    """
    if path == "-":
        return read_stdin()
    if path == os.devnull:
        return b""
    try:
        descriptor = open_file(path, pipe=True)
    except FileNotFoundError:
        return b""
    except OSError as fault:
        raise _unreadable(path, fault) from None
    try:
        if checked:
            _check(path, os.fstat(descriptor), uid)
        return read_descriptor(descriptor, path)
    finally:
        os.close(descriptor)


def read_descriptor(descriptor: int, path: str) -> bytes:
    """Return the contents of an open rc file. Raises RcFileRefused."""
    try:
        return read_all(descriptor, path, RC_FILE)
    except OSError as fault:
        raise _unreadable(path, fault) from None


def _unreadable(path: str, fault: OSError) -> RcFileRefused:
    if fault.errno == errno.EINVAL:
        return RcFileRefused(f"File {path} must be a regular file.")
    return RcFileRefused(f"File {path} cannot be read: {fault.strerror}.")


def _check(path: str, status: os.stat_result, uid: int) -> None:
    if status.st_mode & _FORBIDDEN:
        problem = f"File {path} must have no more than -rwx------ (0700) permissions."
        raise RcFileRefused(f'{problem} Type "chmod 600 {path}"')
    if status.st_uid != uid:
        raise RcFileRefused(f"File {path} must be owned by you.")


def folder_of(path: str) -> str | None:
    """Return the folder that paths in this rc file are relative to; None for ``-``."""
    return None if path == "-" else os.path.dirname(path) or None
