"""How many files the Maildirs of one process hold open together.

The more files are written before the first of them is synced, the less the syncs cost. But a
process has 1024 descriptors by default, and many polls may store messages at a time. So each of
them may always open a few files, and more while there are some to spare.
"""

from __future__ import annotations

from collections import deque

FEW = 10
"""Files that each poll may hold open."""
MANY = 50
"""Files that a poll holds open at most."""
TO_SPARE = 200
"""Files that all polls together may hold open besides."""

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
