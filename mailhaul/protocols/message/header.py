"""Find the header in the stream of a message and split it into fields (RFC 5322, section 2.2).

Nothing is decoded and nothing is refused: fields, separator and rest joined together are always
exactly the input. Lines end at the same places as in the writers (dots.py), including at a bare CR,
because one field here must not become two fields at the next hop. The fields are used in
envelope.py and outgoing.py.
"""

from __future__ import annotations

import re
from itertools import pairwise

from ..dots import LINE_END, with_line_feeds, without_open_end
from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS

NAME_BYTES = bytes(byte for byte in range(33, 127) if byte != ord(":"))
"""The characters of a field name (RFC 5322, 3.6.8)."""
FIELD = re.compile(rb"(?:([!-9;-~]++)[ \t]*+:)?[^\n]*+(?:\n[ \t][^\n]*+)*+\n?")
"""A field with its folded lines, if LF ends all lines. The group is its name, or None if only
``field_name`` can tell."""
FIELD_END = re.compile(rb"(?>\r?\r?\n|\r)(?![ \t])")
"""A line end that is not followed by a continuation line (RFC 5322, 2.2.3)."""
TWO_CRS = re.compile(rb"\r\r(?!\n)")
"""Two line ends; CR CR LF, in contrast, is one line end."""


class Field:
    """One field of a header, or one line that is not a field.

    ``raw`` is the unchanged field, with its folded lines and line ends. ``name`` is the text
    before the colon, in its original case, without trailing blanks (4.5.8) and without NULs.
    It is empty for a line that is not a field: a line without a colon, a From_ line, or a
    continuation line with no field before it. ``key`` is the name in lower case, because names are
    case-insensitive (RFC 5322, 1.2.2).
    """

    __slots__ = ("key", "name", "raw")

    def __init__(self, raw: bytes, name: bytes | None = None) -> None:
        self.raw = raw
        self.name = field_name(raw) if name is None else name
        self.key = self.name.lower()

    @property
    def body(self) -> bytes:
        """The text after the colon, still folded, without NULs; b"" if there is no name."""
        if not self.name:
            return b""
        return self.raw[self.raw.find(b":") + 1 :].replace(b"\0", b"")


def field_name(raw: bytes) -> bytes:
    """Return the name of a field, or b"" for a line that is not a field."""
    name = raw[: max(raw.find(b":"), 0)].rstrip(b" \t").replace(b"\0", b"")
    return b"" if name.translate(None, NAME_BYTES) else name


class HeaderScanner:
    """Collects the header of a message, from the first byte of the message.

    Call ``feed`` until ``complete`` is true, or ``finish`` when the message ends. Then
    ``fields``, ``separator`` (the unchanged blank line, b"" if the message ended without one)
    and ``rest`` (the first bytes of the body) hold the whole input, in this order. A header of
    more than ``limit`` octets or ``max_fields`` fields is ``opaque``: it is not split into
    fields, and the whole input is in ``rest``.
    """

    def __init__(
        self, limit: int = DEFAULT_LIMITS.header, max_fields: int = DEFAULT_LIMITS.header_fields
    ) -> None:
        self._limit = limit
        self._max_fields = max_fields
        self._data = bytearray()
        self._searched = 0
        self.complete = False
        self.opaque = False
        self.fields: list[Field] = []
        self.separator = b""
        self.rest = b""
        self.size = 0
        """The octets of the unchanged header with its blank line; 0 if it is opaque."""
        self.has_nuls = False
        """Whether any field contains a NUL, which is not allowed in a header."""

    def feed(self, chunk: bytes) -> None:
        """Process the next bytes. Raises LocalProtocolError if the header is already complete."""
        if self.complete:
            raise LocalProtocolError("the header is complete; what follows is the body")
        self._data += chunk
        # CRs at the end may belong to an LF that has not arrived yet.
        self._search(len(self._data) - len(without_open_end(bytes(self._data[-2:]))[1]))

    def finish(self) -> None:
        """Record the end of the message, which completes the header."""
        if not self.complete:
            self._search(len(self._data))
        if self.complete:
            return
        if len(self._data) > self._limit:
            self._give_up()
        else:
            self._complete(len(self._data), len(self._data))

    def _search(self, end: int) -> None:
        """Search for the blank line in the data before offset ``end``."""
        start = max(self._searched - 1, 0)
        found = find_blank_line(self._data, start, min(end, self._limit + 3))
        self._searched = end
        if found is not None and found[0] <= self._limit:
            self._complete(*found)
        elif found is not None or end >= self._limit + 2:
            self._give_up()

    @property
    def line_end(self) -> bytes:
        """The line end for added lines: that of the first line, but never a bare CR.

        A message may be stored unchanged, and not all readers treat a bare CR as a line end.
        """
        first = self.fields[0].raw if self.fields else self.separator or self.rest
        end = first.find(b"\n")
        return b"\n" if end == 0 or (end > 0 and first[end - 1] != 0x0D) else b"\r\n"

    def _complete(self, header_end: int, body_start: int) -> None:
        header = bytes(self._data[:header_end])
        # Counting line ends is enough for a header with few.
        many = header.count(b"\n") + header.count(b"\r") >= self._max_fields
        if many and count_fields(header) > self._max_fields:
            self._give_up()
            return
        self.fields = split_fields(header)
        self.size = body_start
        self.has_nuls = b"\0" in header
        self.separator = bytes(self._data[header_end:body_start])
        self.rest = bytes(self._data[body_start:])
        self._done()

    def _give_up(self) -> None:
        self.opaque = True
        self.rest = bytes(self._data)
        self._done()

    def _done(self) -> None:
        self.complete = True
        self._data = bytearray()


def find_blank_line(data: bytearray, start: int, stop: int) -> tuple[int, int] | None:
    """Return the start and end offsets of the first blank line, or None if there is none yet.

    Line ends may be mixed. No line end may cross ``start``. Bytes at and after ``stop`` are not
    examined.
    """
    if start == 0 and stop and data[0] in b"\r\n":
        return blank_line_at(data, 0)
    # Two adjacent line ends always contain one of three pairs; the first pair counts.
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
    """Return the start and end offsets of the line end that begins at ``at``."""
    for end in (b"\r\r\n", b"\r\n"):
        if data.startswith(end, at):
            return at, at + len(end)
    return at, at + 1


def count_fields(header: bytes) -> int:
    """Return the number of fields, without creating them."""
    if b"\r" in header:
        header = with_line_feeds(header)
    folds = header.count(b"\n ") + header.count(b"\n\t")
    return header.count(b"\n") - folds + (header[-1:] not in (b"", b"\n"))


def split_fields(header: bytes) -> list[Field]:
    """Split a header before each line that is not a continuation line (RFC 5322, 2.2.3)."""
    if header.count(b"\r") == header.count(b"\r\n"):
        # LF ends every line, as in nearly all mail: this expression is a short cut.
        return [Field(found[0], found[1]) for found in FIELD.finditer(header) if found[0]]
    return split_at_any_line_end(header)


def split_at_any_line_end(header: bytes) -> list[Field]:
    """Split a header like ``split_fields``, also where a bare CR ends a line."""
    ends = [found.end() for found in FIELD_END.finditer(header)]
    places = pairwise(dict.fromkeys([0, *ends, len(header)]))
    return [Field(header[start:end]) for start, end in places]


def first_line(raw: bytes) -> bytes:
    """Return the first line of a raw field, with its line end."""
    found = LINE_END.search(raw)
    return raw[: found.end()] if found else raw
