"""Where a message waits until it is whole: a file without a name, which goes when we go."""

from __future__ import annotations

import errno
import os

from ...flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from ..calls import opened

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
IN_MEMORY = 1024 * 1024
"""Octets up to which a message waits in memory; above, in an unlinked file."""


class SpoolTooSmall(PollFailed):
    """There is no room for this message. That says nothing about smaller ones."""


def too_large(fault: SpoolTooSmall) -> Outcome:
    """Return the verdict on a message that found no room: kept, and counted as its own trouble."""
    return Outcome(Verdict.REFUSED, str(fault))


async def new_spool(size: int, folder: str) -> int:
    """Return the descriptor of a spool for so many octets.

    Raises SpoolTooSmall, and PollFailed (IOERR) for other trouble.
    """
    return await opened(lambda: _open(size, folder), os.close)


def _open(size: int, folder: str) -> int:
    try:
        if size <= IN_MEMORY and hasattr(os, "memfd_create"):
            return os.memfd_create("message", os.MFD_CLOEXEC)
        return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise spool_failed(folder, error) from None


def write_spool(spool: int, data: bytes, folder: str) -> None:
    """Add some octets. Raises SpoolTooSmall, and PollFailed (IOERR) for other trouble."""
    try:
        write_all(spool, data)
    except OSError as error:
        raise spool_failed(folder, error) from None


def read_spool(spool: int, offset: int, octets: int, folder: str) -> bytes:
    """Return at most so many octets from there. Raises PollFailed (IOERR)."""
    try:
        return os.pread(spool, octets, offset)
    except OSError as error:
        raise spool_failed(folder, error) from None


def write_all(file: int, data: bytes) -> None:
    """Write all octets, however many the system takes at a time. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def spool_failed(folder: str, error: OSError) -> PollFailed:
    """Say that a message could not be kept until it was whole."""
    what = f"spool in {folder}: {error.strerror or error}"
    if error.errno in NO_ROOM:
        return SpoolTooSmall(ExitCode.IOERR, f"{what}; make room, or set TMPDIR")
    return PollFailed(ExitCode.IOERR, what)
