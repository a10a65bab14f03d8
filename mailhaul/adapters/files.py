"""Files that are read by name: regular ones, of bounded size.

A name may be a link to a device that never ends, to a pipe that nobody writes to, or to a disk
image. Whoever meant a pipe has named one of his own descriptors (``<(command)`` in a shell).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
"""What the names of pipes begin with that are meant."""

SMALL = 1 << 20
"""Octets of a file of passwords or of a certificate."""
RC_FILE = 16 << 20
"""Octets of an rc file: some hundred thousand accounts."""
ID_FILE = 64 << 20
"""Octets of a list of UIDs: about a million."""
AUTHORITIES = 16 << 20
"""Octets of a file of trusted certificates."""


def read_file(path: str, most: int, *, pipe: bool = False) -> bytes:
    """Return what is in a file. Raises OSError, whose ``strerror`` is for the user.

    With ``pipe`` one of our own descriptors may be read as well.
    """
    descriptor = open_file(path, pipe=pipe)
    try:
        return read_all(descriptor, path, most)
    finally:
        os.close(descriptor)


def open_file(path: str, *, pipe: bool = False) -> int:
    """Return a descriptor of a regular file, without waiting for anybody. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        # The open file is looked at, so that nobody can put another one in its place.
        if not is_ordinary(os.fstat(descriptor), path, pipe=pipe):
            raise OSError(errno.EINVAL, "not a regular file", path)
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_ordinary(status: os.stat_result, path: str, *, pipe: bool) -> bool:
    """Whether this is a file that ends: a regular one, an empty device, a pipe that is meant."""
    if stat.S_ISFIFO(status.st_mode):
        return pipe and path.startswith(DESCRIPTORS)
    if stat.S_ISCHR(status.st_mode):
        return status.st_rdev == os.stat(os.devnull).st_rdev
    return stat.S_ISREG(status.st_mode)


def read_all(descriptor: int, path: str, most: int) -> bytes:
    """Return what an open file holds. Raises OSError, also for one with more than ``most``."""
    pieces: list[bytes] = []
    left = most + 1
    while left and (piece := os.read(descriptor, min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    if not left:
        raise OSError(errno.EFBIG, f"more than {most} octets", path)
    return b"".join(pieces)


def refuse_odd_files(paths: Sequence[str | None], most: int) -> None:
    """Raise OSError for a file that others are to read for us and that is no ordinary one.

    One that is not there or cannot be opened is for them to complain of.
    """
    for path in paths:
        try:
            found = os.stat(path) if path else None
        except OSError:
            continue
        if found is not None and not is_ordinary(found, path or "", pipe=True):
            raise OSError(errno.EINVAL, "not a regular file", path)
        if found is not None and found.st_size > most:
            raise OSError(errno.EFBIG, f"more than {most} octets", path)
