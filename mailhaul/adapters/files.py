"""Read files by name: only regular files of bounded size.

A name may lead to a device that never ends, to a pipe without a writer, or to a disk image. A pipe
is accepted only if the user names one of the process's own descriptors (``<(command)`` in a shell).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
"""The beginnings of names under which a pipe is accepted."""

SMALL = 1 << 20
"""The maximum octets of a file of passwords or of a certificate."""
RC_FILE = 16 << 20
"""The maximum octets of an rc file: some hundred thousand accounts."""
ID_FILE = 64 << 20
"""The maximum octets of a list of UIDs: about a million UIDs."""
AUTHORITIES = 16 << 20
"""The maximum octets of a file of trusted certificates."""


def read_file(path: str, max_octets: int, *, pipe: bool = False) -> bytes:
    """Return the contents of a file. Raises OSError, whose ``strerror`` is for the user.

    With ``pipe`` the process's own descriptors may be read as well.
    """
    descriptor = open_file(path, pipe=pipe)
    try:
        return read_all(descriptor, path, max_octets)
    finally:
        os.close(descriptor)


def open_file(path: str, *, pipe: bool = False) -> int:
    """Return a descriptor of a regular file, without blocking. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        # The open file is checked, so that it cannot be replaced after the check.
        if not is_ordinary(os.fstat(descriptor), path, pipe=pipe):
            raise OSError(errno.EINVAL, "not a regular file", path)
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_ordinary(status: os.stat_result, path: str, *, pipe: bool) -> bool:
    """Whether this is a regular file, the null device, or with ``pipe`` an accepted pipe."""
    if stat.S_ISFIFO(status.st_mode):
        return pipe and path.startswith(DESCRIPTORS)
    if stat.S_ISCHR(status.st_mode):
        return status.st_rdev == os.stat(os.devnull).st_rdev
    return stat.S_ISREG(status.st_mode)


def read_all(descriptor: int, path: str, max_octets: int) -> bytes:
    """Return the contents of an open file.

    Raises OSError, also if the file has more than ``max_octets``.
    """
    pieces: list[bytes] = []
    left = max_octets + 1
    while left and (piece := os.read(descriptor, min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    if not left:
        raise OSError(errno.EFBIG, f"more than {max_octets} octets", path)
    return b"".join(pieces)


def refuse_special_files(paths: Sequence[str | None], max_octets: int) -> None:
    """Raise OSError if a file that a library will read is not a regular one, or is too large.

    Files that do not exist or cannot be opened are ignored; the library reports them.
    """
    for path in paths:
        try:
            found = os.stat(path) if path else None
        except OSError:
            continue
        if found is not None and not is_ordinary(found, path or "", pipe=True):
            raise OSError(errno.EINVAL, "not a regular file", path)
        if found is not None and found.st_size > max_octets:
            raise OSError(errno.EFBIG, f"more than {max_octets} octets", path)
