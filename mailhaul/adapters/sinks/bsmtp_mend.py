"""Distinguish an incomplete message after a kill from one that another program is writing.

Programs that write batches have no common lock. So an incomplete message at the end of a batch is
cut off at once only if a marker file shows that mailhaul began it. Otherwise it is cut off when the
batch has not changed for an hour.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from .spool import write_all

MESSAGE_START = b"MAIL FROM:"
"""The first octets of each message that mailhaul adds."""
ABANDONED_SECONDS = 3600
"""Seconds without a change after which no other program is writing to a batch."""
BLOCK = 8192
"""Octets that are read at a time."""


def marker_path(batch: str) -> str:
    """Return the name of the marker file that exists while a message is added to a batch."""
    folder, name = os.path.split(batch)
    return os.path.join(folder, f".{name}.mailhaul")


def write_marker(batch: str, file: int, size: int) -> None:
    """Record that mailhaul begins a message after ``size`` octets.

    It is no error if the folder does not allow a new file.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError):
        marker = os.open(marker_path(batch), flags, 0o600)
        try:
            write_all(marker, b"%d %d\n" % (os.fstat(file).st_ino, size))
        finally:
            os.close(marker)


def remove_marker(batch: str) -> None:
    """Remove the marker file: the message is complete, or has been cut off."""
    with suppress(OSError):
        os.unlink(marker_path(batch))


def marked_offset(batch: str, file: int) -> int:
    """Return the offset of a message of mailhaul's that may be incomplete; -1 without a marker."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        marker = os.open(marker_path(batch), flags)
    except OSError:
        return -1
    try:
        words = os.read(marker, 100).split()
    except OSError:
        return -1
    finally:
        os.close(marker)
    if len(words) != 2 or not all(map(bytes.isdigit, words)):
        return -1
    return int(words[1]) if int(words[0]) == os.fstat(file).st_ino else -1


def whole_size(batch: str, file: int) -> int | None:
    """Return the size of a batch without an incomplete message at its end.

    Return None if another program may be writing that message. A message after an incomplete one
    would become part of its text. Anything that does not begin as a message stays. Raises OSError.
    """
    status = os.fstat(file)
    size = status.st_size
    end = end_of_last_message(file, size)
    beginning = os.pread(file, len(MESSAGE_START), end)
    if end == size or not MESSAGE_START.startswith(beginning.rstrip(b"\0")):
        return size
    # After a power loss there may be octets that were never written.
    never_written = beginning.endswith(b"\0")
    ours = marked_offset(batch, file) == end and not has_second_message(file, end, size)
    if never_written or ours or status.st_mtime < time.time() - ABANDONED_SECONDS:
        return end
    return None


def has_second_message(file: int, start: int, size: int) -> bool:
    """Whether another message may begin after the one at ``start``. Raises OSError."""
    line = b"\n" + MESSAGE_START
    kept = b""
    while start < size:
        block = os.pread(file, BLOCK, start)
        if not block:
            return False
        if line in kept + block:
            return True
        kept = block[-len(line) :]
        start += len(block)
    return False


def end_of_last_message(file: int, size: int) -> int:
    """Return the offset after the last line that is a single dot, or 0. Raises OSError."""
    start, after = size, b""
    while start:
        length = min(BLOCK, start)
        start -= length
        block = os.pread(file, length, start) + after[:3]
        ends = [at + len(dot) for dot in (b"\n.\r\n", b"\n.\n") if (at := block.rfind(dot)) >= 0]
        if ends:
            return start + max(ends)
        after = block
    return 0
