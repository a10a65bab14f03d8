"""A short cut for the usual FETCH and EXPUNGE responses: regular expressions replace the parser.

A usual response has the items UID, RFC822.SIZE, FLAGS and INTERNALDATE in any order, in upper case
and separated by single spaces. After them comes either the end, as in a listing, or the literal of
a whole message. responses.py parses all other responses, and a test checks that both ways give the
same events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ..limits import Limits
from .events import BodyStart, Expunged, Fetched

LONGEST = 4096
"""Octets. No usual response is longer, so that it is within the limit of a line."""
NESTED = 2
"""Depth of the parentheses in a usual response."""
_FLAGS = rb"\([!#-'*-Z\\^-~ ]{0,400}\)"
"""Names without brackets and quotes, which the full parser treats specially."""
_DATE = rb'"[ !#-\[\]-~]{0,40}"'

Facts = Sequence[bytes]
"""Sequence number, UID, size, flags and date, as sent; b"" for an item that is missing."""


class UsualFetch:
    """The regular expressions for numbers of at most so many digits."""

    def __init__(self, digits: int) -> None:
        number = rb"([0-9]{1,%d})" % digits
        item = rb"(?:UID %b|RFC822\.SIZE %b|FLAGS (%b)|INTERNALDATE (%b))" % (
            *(number, number),
            *(_FLAGS, _DATE),
        )
        start = rb"\* %b FETCH \(" % number
        # The text is the last item, so a space follows every other one.
        self._begin = re.compile(rb"%b(?>(?:%b ){0,8})BODY\[\] \{%b\}" % (start, item, number))
        self._whole = re.compile(rb"%b(?>(?:%b(?: (?!\))|(?=\)))){0,8})\)" % (start, item))
        self._lines = re.compile(rb"(?:(?>%b\r\n))*" % self._whole.pattern)
        self._expunged = re.compile(rb"(?:(?>\* [0-9]{1,%d} EXPUNGE\r\n))*" % digits)

    def text(self, line: bytes) -> tuple[BodyStart, Facts] | None:
        """Parse the first line of a response with a text; None if it is not a usual one."""
        found = self._begin.fullmatch(line)
        if found is None:
            return None
        number, uid, *rest, size = found.groups(b"")
        start = BodyStart(int(number), int(uid) if uid else None, b"", int(size))
        return start, (number, uid, *rest)

    def whole(self, line: bytes) -> Fetched | None:
        """Parse a response without a text; None if it is not a usual one."""
        found = self._whole.fullmatch(line)
        return fetched_events([found.groups(b"")])[0] if found else None

    def several(self, data: bytes) -> tuple[list[Fetched], int]:
        """Parse the usual responses without a text at the beginning of the data.

        Return also how many octets they have, with their line ends.
        """
        found = self._lines.match(data)
        end = found.end() if found else 0
        return fetched_events(self._whole.findall(data, 0, end)), end

    def expunged(self, data: bytes) -> tuple[list[Expunged], int]:
        """Parse the EXPUNGE responses at the beginning of the data.

        Return also how many octets they have, with their line ends.
        """
        found = self._expunged.match(data)
        end = found.end() if found else 0
        return [Expunged(int(number)) for number in data[:end].split()[1::3]], end


def fetched_events(responses: Iterable[Facts]) -> list[Fetched]:
    """Return the events that end these responses."""
    return [
        Fetched(
            int(number),
            int(uid) if uid else None,
            int(size) if size else None,
            tuple(flags[1:-1].split()) if flags else None,
            date[1:-1] if date else None,
        )
        for number, uid, size, flags, date in responses
    ]


@lru_cache(maxsize=4)
def usual_fetch(limits: Limits) -> UsualFetch | None:
    """Return the short cut within these limits; None if a usual response might exceed them.

    It is made when it is first needed, because compiling it takes a millisecond.
    """
    if limits.response_line < LONGEST or limits.nesting < NESTED:
        return None
    return UsualFetch(limits.digits)
