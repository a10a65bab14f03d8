"""The text of a message in SMTP's DATA and in POP3's RETR: line ends and dots.

RFC 5321, sections 2.3.8 and 4.5.2; RFC 1939, section 3.

One rule for the writer: every line end becomes CRLF; then every line that begins with a dot gets
another one; the end is CRLF, dot, CRLF. So no text whatever can end early at any server, strict or
not. All of it works on whole chunks; no loop runs over lines.

What a line end is stands here once, for headers and all writers: CRLF, a bare LF, a bare CR, and
CR CR LF, which broken converters make of CRLF. Of a longer row of CRs only the last two belong to
an LF that follows.
"""

from __future__ import annotations

import re

LINE_END = re.compile(rb"\r?\r?\n|\r")
"""One line end. More than this never has to be held back at the end of a chunk: two CRs."""


class DotWriter:
    """Turns a message as stored into what is sent after DATA. One for each message."""

    def __init__(self) -> None:
        self._at_line_start = True
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return the bytes to send for some bytes of the message."""
        data, self._held = without_open_end(self._held + data if self._held else data)
        if not data:
            return b""
        return self._stuff(normalized(data))

    def finish(self) -> bytes:
        """Return what ends the message: its last line end if that is missing, and the dot."""
        end = self._stuff(normalized(self._held)) if self._held else b""
        return end + (b".\r\n" if self._at_line_start else b"\r\n.\r\n")

    def _stuff(self, data: bytes) -> bytes:
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if self._at_line_start and data.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = data.endswith(b"\n")
        return stuffed


def normalized(data: bytes) -> bytes:
    """Return the data with CRLF for every line end."""
    # Replacing single bytes is several times faster than counting pairs. Clean data is what
    # taking out every CR and putting one before every LF does not change.
    if data.replace(b"\r", b"").replace(b"\n", b"\r\n") == data:
        return data
    return with_line_feeds(data).replace(b"\n", b"\r\n")


def with_line_feeds(data: bytes) -> bytes:
    """Return the data with LF for every line end."""
    return data.replace(b"\r\r\n", b"\r\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def without_open_end(data: bytes) -> tuple[bytes, bytes]:
    """Return data, and the CRs at its end of which it is not known whether an LF follows."""
    if not data.endswith(b"\r"):
        return data, b""
    size = 2 if data.endswith(b"\r\r") else 1
    return data[:-size], data[-size:]


CRLF = b"\r\n"


class DotReader:
    """Takes such a text apart. Only CRLF, dot, CRLF ends it.

    ``line_end`` is for POP3 servers that end all their lines with a bare line feed: then only LF,
    dot, LF ends it. ``feed`` returns the message's bytes; once ``over`` is true, ``rest`` is what
    came after.
    """

    def __init__(self, line_end: bytes = CRLF) -> None:
        self._line_end = line_end
        self._end = line_end + b"." + line_end
        # The end of the line before the text counts as the one before a first dot.
        self._tail = line_end
        self._fresh = True
        self.over = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return some bytes of the message, without the dots that were added."""
        buffer = self._tail + data
        end = buffer.find(self._end)
        if end >= 0:
            self.over = True
            self.rest = buffer[end + len(self._end) :]
            text = buffer[: end + len(self._line_end)]
        else:
            # Keep what may be the beginning of an end, or of a stuffed dot.
            keep = partial_end(buffer, self._end)
            text, self._tail = buffer[: len(buffer) - keep], buffer[len(buffer) - keep :]
        return self._unstuffed(text)

    def _unstuffed(self, text: bytes) -> bytes:
        plain = text.replace(self._line_end + b".", self._line_end)
        if self._fresh and text.startswith(self._line_end):
            self._fresh = False
            plain = plain[len(self._line_end) :]
        return plain


def partial_end(buffer: bytes, end: bytes) -> int:
    """Return how many bytes at the end of a buffer could be the beginning of an end."""
    for size in range(min(len(end) - 1, len(buffer)), 0, -1):
        if buffer.endswith(end[:size]):
            return size
    return 0
