"""Parse the arguments of response codes (RFC 3501, 7.1, and the RFCs named below)."""

from __future__ import annotations

from ..record import Record
from .events import Code
from .uid_sets import read_set

NUMBER_LENGTH = 19
"""Maximum digits of a number in a code: a mod-sequence has 63 bits (RFC 7162, section 7)."""


class AppendUid(Record):
    """The UID of an appended message: APPENDUID (RFC 4315, section 3)."""

    uid_validity: int
    uid: int


class CopyUid(Record):
    """The UIDs of copied messages and of their copies: COPYUID (RFC 4315, section 3).

    ``source`` and ``destination`` are UID sets, as sent, of the same size.
    """

    uid_validity: int
    source: bytes
    destination: bytes


def number_in(code: Code | None, name: bytes) -> int | None:
    """Return the number in a code such as UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ or APPENDLIMIT.

    Return None if the code has another name or no valid number.
    """
    if code is None or code.name != name:
        return None
    return _number(code.arguments)


def append_uid(code: Code | None) -> AppendUid | None:
    """Return the parsed APPENDUID code, or None for another or a malformed code."""
    if code is None or code.name != b"APPENDUID":
        return None
    match [_number(word) for word in code.arguments.split()]:
        case [int() as uid_validity, int() as uid]:
            return AppendUid(uid_validity, uid)
        case _:
            return None


def copy_uid(code: Code | None) -> CopyUid | None:
    """Return the parsed COPYUID code, or None for another or a malformed code."""
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
    """Return the number of messages in a UID set, or 0 if it is malformed."""
    try:
        return sum(last - first + 1 for first, last in read_set(uids, 0))
    except ValueError:
        return 0
