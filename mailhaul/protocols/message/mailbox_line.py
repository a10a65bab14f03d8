"""The line that a mailbox file has before each message: ``From``, an address, a date.

Some servers hand it out with the message, on top. It is no part of it. Only what looks like one is:
a letter may begin with "From the sea".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .header import Field, first_line

LIMIT = 1024
"""Octets of such a line: an address has 256 (RFC 5321, 4.5.3.1.3)."""
_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = rb"\d{1,2}:\d\d(?::\d\d)?"
MAILBOX_LINE = re.compile(
    rb'From +(?:"[^"]*"\S*|\S+) +'
    # As C's asctime does it, perhaps with a zone; or as in a Date field.
    + rb"(?:%b +%b +\d{1,2} +%b(?: +\S+)? +\d{4}" % (_DAY, _MONTH, _CLOCK)
    + rb"|(?:%b, +)?\d{1,2} +%b +\d{4} +%b)(?: .*)?" % (_DAY, _MONTH, _CLOCK)
)


def is_mailbox_line(line: bytes) -> bool:
    """Whether a line, with its end, is one that a mailbox file has before a message."""
    return len(line) <= LIMIT and MAILBOX_LINE.fullmatch(line.rstrip()) is not None


def without_mailbox_line(fields: Sequence[Field]) -> Sequence[Field]:
    """Return the fields of a header without such a line at its top."""
    if not fields or fields[0].name or not fields[0].raw.startswith(b"From "):
        return fields
    line = first_line(fields[0].raw)
    if not is_mailbox_line(line):
        return fields
    # What follows it in the same field was folded by nobody, and stays.
    rest = fields[0].raw[len(line) :]
    return [*([Field(rest)] if rest else []), *fields[1:]]
