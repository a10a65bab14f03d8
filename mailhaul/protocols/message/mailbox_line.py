"""Recognize the From_ line that an mbox file has before each message: ``From``, address, date.

Some servers send this line as the first line of a message, although it is not part of it. A line
is recognized by its whole syntax, because a message text may also begin with "From the sea".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .header import Field, first_line

MAX_LINE = 1024
"""Maximum length of a From_ line in octets; an address has up to 256 (RFC 5321, 4.5.3.1.3)."""
_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = rb"\d{1,2}:\d\d(?::\d\d)?"
MAILBOX_LINE = re.compile(
    rb'From +(?:"[^"]*"\S*|\S+) +'
    # The date is in the format of C's asctime, optionally with a zone, or of a Date field.
    + rb"(?:%b +%b +\d{1,2} +%b(?: +\S+)? +\d{4}" % (_DAY, _MONTH, _CLOCK)
    + rb"|(?:%b, +)?\d{1,2} +%b +\d{4} +%b)(?: .*)?" % (_DAY, _MONTH, _CLOCK)
)


def is_mailbox_line(line: bytes) -> bool:
    """Whether a line, with its line end, is the From_ line of an mbox file."""
    return len(line) <= MAX_LINE and MAILBOX_LINE.fullmatch(line.rstrip()) is not None


def without_mailbox_line(fields: Sequence[Field]) -> Sequence[Field]:
    """Return the fields of a header without a From_ line at the top."""
    if not fields or fields[0].name or not fields[0].raw.startswith(b"From "):
        return fields
    line = first_line(fields[0].raw)
    if not is_mailbox_line(line):
        return fields
    # Lines after it in the same field are not really a continuation of it; they stay.
    rest = fields[0].raw[len(line) :]
    return [*([Field(rest)] if rest else []), *fields[1:]]
