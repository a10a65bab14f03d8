"""The text of a mailbox file: From_ lines, and ">" before lines that look like one (mboxrd)."""

from __future__ import annotations

import re
from collections.abc import Iterable

SEPARATOR = re.compile(rb"(?:\A|(?<=\n\n))From [^\n]*\n")
QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
UNQUOTED = re.compile(rb"^(>*From )", re.MULTILINE)
FROM_LINE = b"From conformance@localhost Thu Jan  1 00:00:00 2026\n"


def with_lf(text: bytes) -> bytes:
    """Return a text with LF for each CRLF, as files have it."""
    return text.replace(b"\r\n", b"\n")


def with_crlf(text: bytes) -> bytes:
    """Return a text of a file with CRLF line ends, as protocols have it."""
    return with_lf(text).replace(b"\n", b"\r\n")


def join_mbox(messages: Iterable[bytes]) -> bytes:
    """Return a mailbox file with these messages, which have CRLF line ends."""
    parts: list[bytes] = []
    for message in messages:
        text = UNQUOTED.sub(rb">\1", with_lf(message))
        parts += [FROM_LINE, text, b"" if text.endswith(b"\n") else b"\n", b"\n"]
    return b"".join(parts)


def split_mbox(text: bytes) -> list[bytes]:
    """Return the messages of a mailbox file, with CRLF line ends. Raises ValueError."""
    lines = with_lf(text)
    if not lines.strip(b"\n"):
        return []
    if not lines.startswith(b"From "):
        raise ValueError('the first line does not begin with "From "')
    parts = SEPARATOR.split(lines)[1:]
    # An empty line comes before each From_ line, and at the end of the file.
    return [with_crlf(QUOTED.sub(rb"\1", without_last_empty_line(part))) for part in parts]


def without_last_empty_line(part: bytes) -> bytes:
    """Return the text of a message without the empty line that separates it from the next."""
    return part[:-1] if part.endswith(b"\n\n") else part
