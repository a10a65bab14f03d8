"""The spool for a message until it is complete: an unnamed file that ends with the process."""

from __future__ import annotations

import errno
import os

from ...flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from ...flows.requests import Call
from ..calls import opened

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
MAX_IN_MEMORY = 1024 * 1024
"""Octets up to which a message is spooled in memory; a larger one is spooled in a file."""


class SpoolTooSmall(PollFailed):
    """There is no room for this message. A smaller one may still fit."""


def too_large_outcome(fault: SpoolTooSmall) -> Outcome:
    """Return the outcome for a message without room: it stays, and the failure is counted."""
    return Outcome(Verdict.REFUSED, str(fault))


async def new_spool(size: int, folder: str) -> int:
    """Return the descriptor of a spool for ``size`` octets.

    Raises SpoolTooSmall, or PollFailed (IOERR) for other errors.
    """
    if is_in_memory(size):
        return _open(size, folder)
    return await opened(lambda: _open(size, folder), os.close)


def is_in_memory(size: int) -> bool:
    """Whether a spool for ``size`` octets is in memory, where nothing waits for a disk."""
    return size <= MAX_IN_MEMORY and hasattr(os, "memfd_create")


def _open(size: int, folder: str) -> int:
    try:
        if is_in_memory(size):
            return os.memfd_create("message", os.MFD_CLOEXEC)
        return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise spool_failed(folder, error) from None


async def add_to_spool(spool: int, data: bytes, folder: str, size: int) -> None:
    """Add some octets to a spool for ``size`` octets. Raises what ``write_spool`` raises."""
    if is_in_memory(size):
        write_spool(spool, data, folder)
    else:
        await Call(lambda: write_spool(spool, data, folder))


def write_spool(spool: int, data: bytes, folder: str) -> None:
    """Add some octets. Raises SpoolTooSmall, or PollFailed (IOERR) for other errors."""
    try:
        write_all(spool, data)
    except OSError as error:
        raise spool_failed(folder, error) from None


def read_spool(spool: int, offset: int, octets: int, folder: str) -> bytes:
    """Return at most ``octets`` octets from ``offset``. Raises PollFailed (IOERR)."""
    try:
        return os.pread(spool, octets, offset)
    except OSError as error:
        raise spool_failed(folder, error) from None


def write_all(file: int, data: bytes) -> None:
    """Write all octets, in several calls if necessary. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def spool_failed(folder: str, error: OSError) -> PollFailed:
    """Return the error for a message that cannot be spooled."""
    what = f"spool in {folder}: {error.strerror or error}"
    if error.errno in NO_ROOM:
        return SpoolTooSmall(ExitCode.IOERR, f"{what}; make room, or set TMPDIR")
    return PollFailed(ExitCode.IOERR, what)
