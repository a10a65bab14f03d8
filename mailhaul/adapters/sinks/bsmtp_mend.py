"""What a kill left of a message in a batch, told from what another program is just writing there.

Programs that write batches agree on no lock. So half a message at the end of one is cut off at once
only where a note beside the batch says that we had begun it; else not before nobody has written to
the batch for an hour.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from .spool import write_all

BEGINNING = b"MAIL FROM:"
"""Of each message that is added."""
ABANDONED = 3600
"""Seconds after which nobody is writing to a batch any more."""
BLOCK = 8192
"""Octets that are looked at in one go."""


def note_path(batch: str) -> str:
    """Return the name of the note that stands beside a batch while a message is added."""
    folder, name = os.path.split(batch)
    return os.path.join(folder, f".{name}.mailhaul")


def note_begun(batch: str, file: int, size: int) -> None:
    """Note that we begin a message behind so many octets. A folder that takes no note may do so."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError):
        note = os.open(note_path(batch), flags, 0o600)
        try:
            write_all(note, b"%d %d\n" % (os.fstat(file).st_ino, size))
        finally:
            os.close(note)


def forget_begun(batch: str) -> None:
    """Take the note away: the message is whole, or gone."""
    with suppress(OSError):
        os.unlink(note_path(batch))


def begun_at(batch: str, file: int) -> int:
    """Return where a message of ours begins that may have been left half; -1 without a note."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        note = os.open(note_path(batch), flags)
    except OSError:
        return -1
    try:
        words = os.read(note, 100).split()
    except OSError:
        return -1
    finally:
        os.close(note)
    if len(words) != 2 or not all(map(bytes.isdigit, words)):
        return -1
    return int(words[1]) if int(words[0]) == os.fstat(file).st_ino else -1


def whole_size(batch: str, file: int) -> int | None:
    """Return the size of a batch without half a message at its end; None while it may be written.

    What comes after half a message would be taken for its text. What begins otherwise is none, and
    stays. Raises OSError.
    """
    status = os.fstat(file)
    size = status.st_size
    end = last_end(file, size)
    beginning = os.pread(file, len(BEGINNING), end)
    if end == size or not BEGINNING.startswith(beginning.rstrip(b"\0")):
        return size
    # After a loss of power there may be octets that were never written.
    never_written = beginning.endswith(b"\0")
    ours = begun_at(batch, file) == end and not has_another(file, end, size)
    if never_written or ours or status.st_mtime < time.time() - ABANDONED:
        return end
    return None


def has_another(file: int, start: int, size: int) -> bool:
    """Whether another message may begin after the one that begins there. Raises OSError."""
    line = b"\n" + BEGINNING
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


def last_end(file: int, size: int) -> int:
    """Return the offset after the last line with a lone dot, 0 without one. Raises OSError."""
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
