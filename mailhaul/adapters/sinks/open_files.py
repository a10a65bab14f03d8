"""How many files the Maildirs of one process hold open together.

The more files are written before the first of them is synced, the less the syncs cost. But a
process has 1024 descriptors by default, and many polls may store messages at a time. So each of
them may always open a few files, and more while there are some to spare.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Sequence

FEW = 10
"""Files that each poll may hold open."""
MANY = 50
"""Files that a poll holds open at most."""
TO_SPARE = 200
"""Files that all polls together may hold open besides."""

NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})
"""The process, or the system, has no descriptor left."""

_spare = deque(range(TO_SPARE))
# Polls run in several threads; taking an item of a deque and adding one are atomic.


def take_files(wanted: int) -> int:
    """Return how many of these files may be opened. Call ``give_back`` once they are closed."""
    most, granted = min(wanted, MANY), min(wanted, FEW)
    while granted < most:
        try:
            _spare.pop()
        except IndexError:
            break
        granted += 1
    return granted


def give_back(granted: int) -> None:
    """Record that so many files, granted together, are closed."""
    _spare.extend(range(granted - FEW))


def open_while_possible(
    several: Sequence[Callable[[], None]],
) -> tuple[int, OSError | None]:
    """Open files, by one call each; return how many are open, and the error at the next one.

    If the process has no descriptor left for it, that is no error after the first file: connections
    need descriptors too, and there are some again once these files are closed.
    """
    for position, open_one in enumerate(several):
        try:
            open_one()
        except OSError as error:
            can_wait = position > 0 and error.errno in NO_DESCRIPTOR
            return position, None if can_wait else error
    return len(several), None
