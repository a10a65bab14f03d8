"""The text of a message in SMTP's DATA and in POP3's RETR: line ends and dots.

RFC 5321, sections 2.3.8 and 4.5.2; RFC 1939, section 3.

One rule for the writer: CRLF stays; a bare CR and a bare LF each become CRLF; then every line
that begins with a dot gets another one; the end is CRLF, dot, CRLF. So no text whatever can
end early at any server, strict or not. All of it works on whole chunks; no loop runs over lines.
"""

from __future__ import annotations


class DotWriter:
    """Turns a message as stored into what is sent after DATA. One for each message."""

    def __init__(self) -> None:
        self._at_line_start = True
        self._held_cr = False

    def feed(self, data: bytes) -> bytes:
        """Return the bytes to send for some bytes of the message."""
        if self._held_cr:
            data = b"\r" + data
            self._held_cr = False
        if data.endswith(b"\r"):
            # Whether a line feed follows is not known yet.
            self._held_cr = True
            data = data[:-1]
        if not data:
            return b""
        return self._stuff(normalized(data))

    def finish(self) -> bytes:
        """Return what ends the message: its last line end if that is missing, and the dot."""
        end = b"\r\n" if self._held_cr or not self._at_line_start else b""
        return end + b".\r\n"

    def _stuff(self, data: bytes) -> bytes:
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if self._at_line_start and data.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = data.endswith(b"\n")
        return stuffed


def normalized(data: bytes) -> bytes:
    """Return the data with CRLF for every line end: CRLF, bare CR and bare LF."""
    # Replacing single bytes is several times faster than counting pairs. Clean data is what
    # taking out every CR and putting one before every LF does not change.
    if data.replace(b"\r", b"").replace(b"\n", b"\r\n") == data:
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


CRLF = b"\r\n"


class DotReader:
    """Takes such a text apart. Only CRLF, dot, CRLF ends it.

    ``line_end`` is for POP3 servers that end all their lines with a bare line feed: then only LF,
    dot, LF ends it. ``feed`` returns the message's bytes; once ``over`` is true, ``rest`` is what
    came behind.
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
