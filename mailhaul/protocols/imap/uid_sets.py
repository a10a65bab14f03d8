"""Convert between numbers and sequence sets such as ``2,4:7,9`` (RFC 3501, section 9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

SET_LENGTH = 8000
"""Maximum octets of one set; RFC 7162, section 4 recommends lines of less than 8192 octets."""
NUMBER_LENGTH = 10
"""Maximum digits of a number in a set (nz-number, 32 bits)."""


def uid_set(uids: Iterable[int]) -> bytes:
    """Return the shortest set of exactly these UIDs. Its length is not limited."""
    return b",".join(_ranges(uids))


def split_uid_sets(uids: Iterable[int]) -> list[bytes]:
    """Return sets of at most SET_LENGTH octets that together contain exactly these UIDs."""
    sets: list[bytes] = []
    current: list[bytes] = []
    length = 0
    for piece in _ranges(uids):
        if current and length + len(piece) + 1 > SET_LENGTH:
            sets.append(b",".join(current))
            current, length = [], 0
        current.append(piece)
        length += len(piece) + 1
    if current:
        sets.append(b",".join(current))
    return sets


def read_set(sequence_set: bytes, largest: int) -> list[tuple[int, int]]:
    """Return the ranges of a set as pairs (first, last) with first <= last.

    ``*`` becomes ``largest``. Raises ValueError if it is not a sequence set.
    """
    ranges: list[tuple[int, int]] = []
    for part in sequence_set.split(b","):
        first, colon, last = part.partition(b":")
        ends = [_end(first, largest), _end(last, largest) if colon else _end(first, largest)]
        ranges.append((min(ends), max(ends)))
    return ranges


def _end(text: bytes, largest: int) -> int:
    if text == b"*":
        return largest
    if not text.isdigit() or len(text) > NUMBER_LENGTH:
        raise ValueError("not a sequence set")
    return int(text)


def _ranges(uids: Iterable[int]) -> Iterator[bytes]:
    ordered = sorted(set(uids))
    start = previous = 0
    for uid in ordered:
        if previous and uid == previous + 1:
            previous = uid
            continue
        if previous:
            yield _range(start, previous)
        start = previous = uid
    if previous:
        yield _range(start, previous)


def _range(first: int, last: int) -> bytes:
    return b"%d" % first if first == last else b"%d:%d" % (first, last)
