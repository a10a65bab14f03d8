"""Line endings and dot-stuffing of message text, for SMTP's DATA and POP3's RETR and TOP.

RFC 5321, sections 2.3.8 and 4.5.2; RFC 1939, section 3.

The writer converts every line ending to CRLF, adds a dot to every line that begins with one, and
ends the text with CRLF, dot, CRLF. So no text can end early at any server, strict or lenient. All
functions work on whole chunks; none loops over lines.

This module is the only definition of a line ending, for headers and for all writers: CRLF, a bare
LF, a bare CR, and CR CR LF, which broken converters produce from CRLF. In a longer run of CRs, only
the last two belong to the LF after them.
"""

from __future__ import annotations

import re

LINE_END = re.compile(rb"\r?\r?\n|\r")
"""One line ending. At the end of a chunk, at most two CRs must be held back."""


class DotWriter:
    """Converts a stored message to the text that is sent after DATA. Use one for each message."""

    def __init__(self) -> None:
        self._at_line_start = True
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return the bytes to send for the next bytes of the message."""
        data, self._held = without_open_end(self._held + data if self._held else data)
        if not data:
            return b""
        return self._stuff(normalized(data))

    def finish(self) -> bytes:
        """Return the end of the text: a missing last line ending, then the final dot."""
        end = self._stuff(normalized(self._held)) if self._held else b""
        return end + (b".\r\n" if self._at_line_start else b"\r\n.\r\n")

    def _stuff(self, data: bytes) -> bytes:
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if self._at_line_start and data.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = data.endswith(b"\n")
        return stuffed


def normalized(data: bytes) -> bytes:
    """Return the data with every line ending as CRLF."""
    # Replacing single bytes is several times faster than counting pairs. Data is clean if removing
    # every CR and then adding one before every LF does not change it.
    if data.replace(b"\r", b"").replace(b"\n", b"\r\n") == data:
        return data
    return with_line_feeds(data).replace(b"\n", b"\r\n")


def with_line_feeds(data: bytes) -> bytes:
    """Return the data with every line ending as LF."""
    return data.replace(b"\r\r\n", b"\r\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def without_open_end(data: bytes) -> tuple[bytes, bytes]:
    """Split off the CRs at the end of the data, because an LF may follow them."""
    if not data.endswith(b"\r"):
        return data, b""
    size = 2 if data.endswith(b"\r\r") else 1
    return data[:-size], data[-size:]


CRLF = b"\r\n"


class DotReader:
    """Reads a dot-stuffed text. Only CRLF, dot, CRLF ends it.

    ``line_end`` is for POP3 servers that end all lines with a bare LF: then only LF, dot, LF ends
    the text. ``feed`` returns the bytes of the message. When ``over`` is true, ``rest`` holds the
    bytes after the text.
    """

    def __init__(self, line_end: bytes = CRLF) -> None:
        self._line_end = line_end
        self._end = line_end + b"." + line_end
        # The line ending before the text counts, so that a dot in the first line is found.
        self._tail = line_end
        self._fresh = True
        self.over = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return the next bytes of the message, without the added dots."""
        buffer = self._tail + data
        end = buffer.find(self._end)
        if end >= 0:
            self.over = True
            self.rest = buffer[end + len(self._end) :]
            text = buffer[: end + len(self._line_end)]
        else:
            # Keep what may be the start of the terminator or of a stuffed dot.
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
    """Return how many bytes at the end of a buffer could be the start of ``end``."""
    for size in range(min(len(end) - 1, len(buffer)), 0, -1):
        if buffer.endswith(end[:size]):
            return size
    return 0
