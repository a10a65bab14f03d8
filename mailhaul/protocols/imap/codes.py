"""What response codes carry, for those that carry something (RFC 3501, 7.1; the RFCs named)."""

from __future__ import annotations

from ..record import Record
from .events import Code
from .uid_sets import read_set

NUMBER_LENGTH = 19
"""Digits of the largest number in a code: change numbers have 63 bits (RFC 7162, section 7)."""


class AppendUid(Record):
    """Where an appended message is now (RFC 4315, section 3)."""

    uid_validity: int
    uid: int


class CopyUid(Record):
    """Which messages became which: sets of the same size (RFC 4315, section 3)."""

    uid_validity: int
    source: bytes
    destination: bytes


def number_in(code: Code | None, name: bytes) -> int | None:
    """Return the number in a code such as UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ or APPENDLIMIT.

    None if the code is another one, or holds no number.
    """
    if code is None or code.name != name:
        return None
    return _number(code.arguments)


def append_uid(code: Code | None) -> AppendUid | None:
    """Return what APPENDUID says; None for another code, or one that makes no sense."""
    if code is None or code.name != b"APPENDUID":
        return None
    match [_number(word) for word in code.arguments.split()]:
        case [int() as uid_validity, int() as uid]:
            return AppendUid(uid_validity, uid)
        case _:
            return None


def copy_uid(code: Code | None) -> CopyUid | None:
    """Return what COPYUID says; None for another code, or one that makes no sense."""
    if code is None or code.name != b"COPYUID":
        return None
    words = code.arguments.split()
    if len(words) != 3 or (uid_validity := _number(words[0])) is None:
        return None
    if _size(words[1]) != _size(words[2]) or not _size(words[1]):
        return None
    return CopyUid(uid_validity, words[1], words[2])


def _number(word: bytes) -> int | None:
    return int(word) if word.isdigit() and len(word) <= NUMBER_LENGTH else None


def _size(uids: bytes) -> int:
    """Return how many messages a set names; 0 for anything else."""
    try:
        return sum(last - first + 1 for first, last in read_set(uids, 0))
    except ValueError:
        return 0
