"""Parse status lines and lines of listings (RFC 1939, section 3; RFC 2449, section 8)."""

from __future__ import annotations

import re

from ..errors import RemoteProtocolError
from .events import ResponseCode

CODES = {code.value: code for code in ResponseCode}
TIMESTAMP = re.compile(rb"<[!-;=?-~]+@[!-;=?-~]+>")
UID_LENGTH = 1024
"""Maximum octets of a unique id. RFC 1939, section 7 allows 70, but some servers send more."""


def split_status(line: bytes) -> tuple[bool, bytes] | None:
    """Return whether a status line is +OK, and its text. Return None for any other line.

    The indicators should be in upper case (section 3), but some servers differ.
    """
    word, _, text = line.partition(b" ")
    match word.upper():
        case b"+OK":
            return True, text
        case b"-ERR":
            return False, text
        case _:
            return None


def split_code(text: bytes) -> tuple[ResponseCode | None, bytes]:
    """Split ``[IN-USE] busy`` into code and text. An unknown code stays in the text.

    Unknown lower levels of a code are ignored: [SYS/TEMP/DISK] is [SYS/TEMP].
    """
    if not text.startswith(b"["):
        return None, text
    name, bracket, rest = text[1:].partition(b"]")
    levels = name.strip().upper().split(b"/")
    for depth in range(len(levels), 0, -1):
        code = CODES.get(b"/".join(levels[:depth]))
        if code and bracket:
            return code, rest.lstrip(b" ")
    return None, text


def timestamp_of(text: bytes) -> bytes | None:
    """Return the timestamp of a greeting, its last msg-id, or None (RFC 1939, section 7)."""
    found: list[bytes] = TIMESTAMP.findall(text)
    return found[-1] if found else None


def two_numbers(text: bytes, what: str, digits: int) -> tuple[int, int]:
    """Return the first two numbers in a line. Raises RemoteProtocolError if they are missing."""
    words = text.split(None, 2)
    if len(words) < 2:
        raise RemoteProtocolError(f"{what} without two numbers", line=text)
    return number(words[0], what, digits), number(words[1], what, digits)


def listed_size(line: bytes, digits: int) -> tuple[int, int] | None:
    """Return message number and size from a line of LIST, or None if the number is invalid.

    A missing or invalid size is returned as 0, which means unknown.
    """
    words = line.split(None, 2)
    if not words or not words[0].isdigit() or len(words[0]) > digits:
        return None
    size = words[1] if len(words) > 1 else b""
    known = size.isdigit() and len(size) <= digits
    return int(words[0]), int(size) if known else 0


def number(word: bytes, what: str, digits: int) -> int:
    """Return a number of at most ``digits`` digits. Raises RemoteProtocolError otherwise."""
    if not word.isdigit() or len(word) > digits:
        raise RemoteProtocolError(f"{what} without a number", line=word)
    return int(word)


def unique_id(text: bytes, digits: int) -> tuple[int, bytes]:
    """Return the message number and the unique id in a line. Raises RemoteProtocolError.

    The id is treated as opaque. RFC 1939 requires printable ASCII, but some servers differ.
    """
    first, _, uid = text.strip(b" ").partition(b" ")
    uid = uid.strip(b" ")
    if not uid or len(uid) > UID_LENGTH:
        raise RemoteProtocolError("unique id is empty or too long", line=text)
    return number(first, "unique id", digits), uid
