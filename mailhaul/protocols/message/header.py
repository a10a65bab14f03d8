"""The header of a message, found in the stream and cut into fields (RFC 5322, section 2.2).

Nothing is decoded and nothing is refused: whatever the bytes are, fields, separator and
rest joined again are exactly what came in. Lines end where the writers will end them (dots.py), at
a bare CR too: what is one field here must not be two for the next hop. What the fields are used for
lives in envelope.py and outgoing.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..dots import LINE_END, with_line_feeds, without_open_end
from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS

NAME_BYTES = bytes(byte for byte in range(33, 127) if byte != ord(":"))
"""What a field name is made of (RFC 5322, 3.6.8)."""
FIELD_END = re.compile(rb"(?>\r?\r?\n|\r)(?![ \t])")
"""A line end behind which no continuation follows (RFC 5322, 2.2.3)."""
TWO_CRS = re.compile(rb"\r\r(?!\n)")
"""Two line ends. One alone is CR CR LF."""


class Field:
    """One field of a header, or one line that is none.

    ``raw`` is the field as it came, with its folded lines and line ends. ``name`` is what
    stands before the colon, as written, without blanks behind it (4.5.8) and without NULs;
    it is empty for a line that is no field: without a colon, a From_ line, or a
    continuation of nothing.
    """

    __slots__ = ("name", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.name = field_name(raw)

    @property
    def key(self) -> bytes:
        """The name in lower case: names are caseless (RFC 5322, 1.2.2)."""
        return self.name.lower()

    @property
    def body(self) -> bytes:
        """What stands behind the colon, still folded, without NULs; b"" without a name."""
        if not self.name:
            return b""
        return self.raw[self.raw.find(b":") + 1 :].replace(b"\0", b"")


def field_name(raw: bytes) -> bytes:
    """Return the name of a field, or b"" for a line that is no field."""
    name = raw[: max(raw.find(b":"), 0)].rstrip(b" \t").replace(b"\0", b"")
    return b"" if name.translate(None, NAME_BYTES) else name


class HeaderScanner:
    """Takes a message from its first byte until its header is whole.

    ``feed`` until ``complete``; the body that follows is not its business. Then ``fields``,
    ``separator`` (the blank line as it came, b"" if the message ended without one) and
    ``rest`` (the bytes of the body that came along) hold all that was fed, in this order.
    A header of more than ``limit`` octets or ``most`` fields is ``opaque``: it is not taken
    apart, and all of it is in ``rest``.
    """

    def __init__(
        self, limit: int = DEFAULT_LIMITS.header, most: int = DEFAULT_LIMITS.header_fields
    ) -> None:
        self._limit = limit
        self._most = most
        self._data = bytearray()
        self._searched = 0
        self.complete = False
        self.opaque = False
        self.fields: list[Field] = []
        self.separator = b""
        self.rest = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises LocalProtocolError once the header is complete."""
        if self.complete:
            raise LocalProtocolError("the header is complete; what follows is the body")
        self._data += chunk
        # CRs at the end may belong to an LF that has not come yet.
        self._look(len(self._data) - len(without_open_end(bytes(self._data[-2:]))[1]))

    def finish(self) -> None:
        """Take note that the message has ended."""
        if not self.complete:
            self._look(len(self._data))
        if self.complete:
            return
        if len(self._data) > self._limit:
            self._pass_on()
        else:
            self._complete(len(self._data), len(self._data))

    def _look(self, end: int) -> None:
        """Search for the blank line in what has come before ``end``."""
        start = max(self._searched - 1, 0)
        found = find_blank_line(self._data, start, min(end, self._limit + 3))
        self._searched = end
        if found is not None and found[0] <= self._limit:
            self._complete(*found)
        elif found is not None or end >= self._limit + 2:
            self._pass_on()

    @property
    def size(self) -> int:
        """Octets of the header as it came, with its blank line; 0 if it is opaque."""
        return sum(len(field.raw) for field in self.fields) + len(self.separator)

    @property
    def line_end(self) -> bytes:
        """How lines that are added end: as the first one does, but never in a bare CR.

        Only LF ends a line for all readers of what is stored as it came.
        """
        first = self.fields[0].raw if self.fields else self.separator or self.rest
        end = first.find(b"\n")
        return b"\n" if end == 0 or (end > 0 and first[end - 1] != 0x0D) else b"\r\n"

    def _complete(self, header_end: int, body_start: int) -> None:
        header = bytes(self._data[:header_end])
        if count_fields(header) > self._most:
            self._pass_on()
            return
        self.fields = split_fields(header)
        self.separator = bytes(self._data[header_end:body_start])
        self.rest = bytes(self._data[body_start:])
        self._done()

    def _pass_on(self) -> None:
        self.opaque = True
        self.rest = bytes(self._data)
        self._done()

    def _done(self) -> None:
        self.complete = True
        self._data = bytearray()


def find_blank_line(data: bytearray, start: int, stop: int) -> tuple[int, int] | None:
    """Return where the first blank line begins and ends, or None if there is none yet.

    Line ends may be mixed. No line end crosses ``start``; nothing from ``stop`` on is looked at.
    """
    if start == 0 and stop and data[0] in b"\r\n":
        return blank_line_at(data, 0)
    # Where two line ends meet there is one of three pairs; the first of them counts.
    at = stop
    for pair in (b"\n\r", b"\n\n"):
        found = data.find(pair, start, at)
        at = at if found < 0 else found + 1
    crs = data.find(b"\r\r", start, at)
    two = TWO_CRS.search(data, crs, at) if crs >= 0 else None
    if two is not None:
        at = two.start() + 1
    return None if at == stop else blank_line_at(data, at)


def blank_line_at(data: bytearray, at: int) -> tuple[int, int]:
    """Return where the line end that begins here is over, after where it begins."""
    for end in (b"\r\r\n", b"\r\n"):
        if data.startswith(end, at):
            return at, at + len(end)
    return at, at + 1


def count_fields(header: bytes) -> int:
    """Return how many fields there are, without making them."""
    if b"\r" in header:
        header = with_line_feeds(header)
    folds = header.count(b"\n ") + header.count(b"\n\t")
    return header.count(b"\n") - folds + (header[-1:] not in (b"", b"\n"))


def split_fields(header: bytes) -> list[Field]:
    """Cut a header where a line begins that is not a continuation (RFC 5322, 2.2.3)."""
    fields: list[Field] = []
    start = 0
    for end in field_ends(header):
        fields.append(Field(header[start:end]))
        start = end
    return fields


def field_ends(header: bytes) -> Iterator[int]:
    """Yield where the fields end."""
    end = 0
    if header.count(b"\r") == header.count(b"\r\n"):
        # LF ends every line, as in nearly all mail; this way is the faster one.
        while end < len(header):
            end = header.find(b"\n", end) + 1 or len(header)
            if header[end : end + 1] not in (b" ", b"\t"):
                yield end
        return
    for found in FIELD_END.finditer(header):
        end = found.end()
        yield end
    if end < len(header):
        yield len(header)


def first_line(raw: bytes) -> bytes:
    """Return the first line of a field, with its end."""
    found = LINE_END.search(raw)
    return raw[: found.end()] if found else raw
