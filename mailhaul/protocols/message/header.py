"""The header of a message as it arrives: fields as they are, whatever they look like.

Nothing here can choke: a line without a colon is a field without a name, an over-long header
is opaque. Joined again, the pieces are the input, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LIMIT = 1024 * 1024
"""Bytes of header that are looked at; a longer one passes through unread."""


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: its name as written (b"" if it has none) and all its raw bytes."""

    name: bytes
    raw: bytes = field(repr=False)

    @property
    def body(self) -> bytes:
        """What stands behind the colon, folded lines and line ends included."""
        return self.raw[len(self.name) + 1 :] if self.name else self.raw


class HeaderScanner:
    """Holds a message until its header is complete.

    ``complete`` turns true at the blank line, at ``finish`` or at the limit. Then ``fields`` and
    ``separator`` are the header, and ``rest`` is what came behind it. ``opaque`` says that the
    limit was passed: then there are no fields and ``rest`` is everything.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._data = bytearray()
        self._searched = 0
        self.complete = False
        self.opaque = False
        self.fields: list[Field] = []
        self.separator = b""
        self.rest = b""

    def feed(self, chunk: bytes) -> None:
        """Add some bytes of the message."""
        self._data += chunk
        end = find_blank_line(self._data, self._searched)
        if end is not None:
            self._close(*end)
        elif len(self._data) > self._limit:
            self.opaque = self.complete = True
            self.rest = bytes(self._data)
        else:
            self._searched = max(0, len(self._data) - 3)

    def finish(self) -> None:
        """The message is over: what has come is its header."""
        if not self.complete:
            self._close(len(self._data), len(self._data))

    @property
    def size(self) -> int:
        """Octets of the header with its blank line."""
        return sum(len(item.raw) for item in self.fields) + len(self.separator)

    @property
    def line_end(self) -> bytes:
        """The line end that the header uses."""
        first = self.fields[0].raw if self.fields else self.separator
        return b"\n" if first.endswith(b"\n") and not first.endswith(b"\r\n") else b"\r\n"

    def _close(self, start: int, end: int) -> None:
        header = bytes(self._data[:start])
        self.separator = bytes(self._data[start:end])
        self.rest = bytes(self._data[end:])
        self._data = bytearray()
        self.fields = split_fields(header)
        self.complete = True


def find_blank_line(data: bytearray, start: int) -> tuple[int, int] | None:
    """Return where the blank line that ends a header begins and ends, if it has come."""
    if start == 0:
        for blank in (b"\r\n", b"\n"):
            if data.startswith(blank):
                return 0, len(blank)
    position = data.find(b"\n", start)
    while position >= 0:
        if data[position + 1 : position + 2] == b"\n":
            return position + 1, position + 2
        if data[position + 1 : position + 3] == b"\r\n":
            return position + 1, position + 3
        position = data.find(b"\n", position + 1)
    return None


def split_fields(header: bytes) -> list[Field]:
    """Cut a header into fields; lines that begin with a blank belong to the one before."""
    fields: list[list[bytes]] = []
    for line in split_at_line_feeds(header):
        if fields and line[:1] in {b" ", b"\t"}:
            fields[-1].append(line)
        else:
            fields.append([line])
    return [Field(name_of(lines[0]), b"".join(lines)) for lines in fields]


def split_at_line_feeds(header: bytes) -> list[bytes]:
    """Cut behind each line feed; a bare CR is a character like any other."""
    *lines, last = header.split(b"\n")
    return [*(line + b"\n" for line in lines), *([last] if last else [])]


def name_of(line: bytes) -> bytes:
    """Return the field name that begins a line, or b""."""
    name, colon, _ = line.partition(b":")
    name_is_word = name and not any(byte <= 32 or byte == 127 for byte in name.rstrip(b" \t"))
    return name if colon and name_is_word else b""
