"""Decide whether a text from a POP3 server is the complete message.

The only proof of completeness in POP3 is the line with a single dot, and it is not reliable: some
servers truncate the reply to TOP, some send nothing for a message they cannot read, and some do not
stuff a line with a single dot, so that the text seems to end there. The size in LIST is the only
other evidence, and it is often wrong: many servers count line ends, or a header of their own,
differently.
"""

from __future__ import annotations

import re

MAX_TRIES = 3
"""How often one message is requested in one session until two texts have the same size."""


HEADER_END = re.compile(rb"\n\r?\n")
TEXT = re.compile(rb"[^\r\n]")
"""An octet of a text, besides the ends of its lines."""


class Measure:
    """Measures one text while it arrives."""

    def __init__(self) -> None:
        self.octets = 0
        self.has_body = False
        self.is_misplaced = False
        """Whether it has the size of another requested message: a reply may be missing."""
        self._lines = 0
        self._in_body = False
        # A text may begin with the empty line that ends a header.
        self._tail = b"\n"

    def feed(self, data: bytes) -> None:
        """Add some octets of the text."""
        self.octets += len(data)
        if self.has_body:
            return
        if self._in_body:
            self.has_body = TEXT.search(data) is not None
        else:
            joined = self._tail + data
            if end := HEADER_END.search(joined):
                self._in_body = True
                self.has_body = TEXT.search(joined, end.end()) is not None
            self._tail = joined[-2:]
        if not self.has_body:
            self._lines += data.count(b"\n")

    def doubt(self, announced: int) -> str:
        """Return why the text may not be the complete one of its message, or "".

        ``announced`` is the size in octets.
        """
        if self.is_misplaced:
            return f"the server sent {self.octets} octets, the size of another message"
        if announced == 0 and not self.has_body:
            return f"the server announced no size and sent {self.octets} octets, only a header"
        missing = announced - self.octets
        if missing <= 0:
            return ""
        what = f"the server announced {announced} octets and sent {self.octets}"
        if self.octets < missing:
            return what
        # A server that sends LF may count CRLF.
        if not self.has_body and missing > self._lines:
            return f"{what}, only a header"
        return ""


class DoubtfulTexts:
    """The sizes of doubtful texts, by message."""

    def __init__(self) -> None:
        self._octets: dict[object, list[int]] = {}

    def tried(self, uid: object) -> int:
        """Return how many doubtful texts of this message were received."""
        return len(self._octets.get(uid, ()))

    def record(self, uid: object, octets: int) -> bool:
        """Record the octets of a doubtful text; return whether an earlier one had the same size.

        An empty text never counts as the same.
        """
        earlier = self._octets.setdefault(uid, [])
        agreed = octets > 0 and octets in earlier
        earlier.append(octets)
        return agreed
