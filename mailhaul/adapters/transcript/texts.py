"""Where in what a server sends the text of messages lies, so that it can be left out.

These readers follow the framing only: lines, literals, dots. ``cut`` divides what came into whole
lines and pieces of text; what is no whole line yet waits.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from ...protocols.dots import DotReader
from ...protocols.pop3.commands import Capa, Envelope, List, Retrieve, Top, Uidl

MAX_OCTETS = 128 * 1024
"""Octets of a line that wait for its end; a longer one is divided."""
LITERAL = re.compile(rb"\{(\d{1,19})\+?\}\r?\n$")
TEXT = re.compile(
    rb"(?:(?:BODY|BINARY)\[[^\]]*\](?:<\d+>)?|RFC822(?:\.TEXT|\.HEADER)?) ~?\{\d+\+?\}\r?\n$",
    re.IGNORECASE,
)
QUOTED_TEXT = re.compile(
    rb'((?:(?:BODY|BINARY)\[[^\]]*\](?:<\d+>)?|RFC822(?:\.TEXT|\.HEADER)?) ")((?:[^"\\]|\\.)*)',
    re.IGNORECASE,
)
FOR_PEOPLE = re.compile(rb"(?:\+|\* (?:OK|NO|BAD|BYE|PREAUTH)|[^*+ ]+ )", re.IGNORECASE)
"""How lines begin that end with words for people: what looks like a literal there is none."""

Piece = tuple[bytes, bool]
"""Some octets, and whether they are the text of a message."""


class Lines:
    """A server that sends lines and nothing else, as with SMTP."""

    def __init__(self) -> None:
        self._line = bytearray()

    def said(self, command: object) -> None:
        """Take note of a command that will be answered."""

    def cut(self, data: bytes) -> Iterator[Piece]:
        """Divide what came."""
        at = 0
        while at < len(data):
            pieces, at = self._inside(data, at)
            yield from pieces
            end = data.find(b"\n", at) + 1 or len(data)
            self._line += data[at:end]
            at = end
            if self._line.endswith(b"\n") or len(self._line) > MAX_OCTETS:
                yield self._take(self.rest()), False

    def rest(self) -> bytes:
        """Return what waits for the end of its line, once."""
        line, self._line = bytes(self._line), bytearray()
        return line

    def _take(self, line: bytes) -> bytes:
        """Take note of a line; return it as it may be written down."""
        return line

    def _inside(self, data: bytes, at: int) -> tuple[list[Piece], int]:
        """Take what belongs to a text or a literal; return it, and where the rest begins."""
        return [], at


class ImapTexts(Lines):
    """An IMAP server: literals (RFC 3501, 4.3), of which those behind BODY[...] are texts."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0
        self._text = False
        self._going_on = False

    def _take(self, line: bytes) -> bytes:
        literal = None
        if self._going_on or not FOR_PEOPLE.match(line):
            literal = LITERAL.search(line)
        self._left = int(literal[1]) if literal else 0
        self._text = bool(literal) and TEXT.search(line) is not None
        self._going_on = literal is not None
        return QUOTED_TEXT.sub(lambda found: found[1] + b"x" * len(found[2]), line)

    def _inside(self, data: bytes, at: int) -> tuple[list[Piece], int]:
        if not self._left:
            return [], at
        inside = data[at : at + self._left]
        self._left -= len(inside)
        return [(inside, self._text)], at + len(inside)


class Pop3Texts(Lines):
    """A POP3 server: what follows +OK to RETR and TOP is a text, up to its dot (RFC 1939, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self._greeted = False
        self._line_end = b"\r\n"
        self._commands: deque[object] = deque()
        self._reader: DotReader | None = None
        self._listing = False

    def said(self, command: object) -> None:
        """Take note of a command: its answer may be a text, or a list."""
        self._commands.append(command)

    def _take(self, line: bytes) -> bytes:
        if not self._greeted:
            self._greeted = True
            self._line_end = b"\r\n" if line.endswith(b"\r\n") else b"\n"
        elif self._listing:
            self._listing = line.rstrip(b"\r\n") != b"."
        elif not line.startswith(b"+ ") and self._commands:
            command = self._commands.popleft()
            positive = line[:3].upper() == b"+OK"
            if positive and isinstance(command, Retrieve | Top):
                self._reader = DotReader(self._line_end)
            self._listing = positive and is_list(command)
        return line

    def _inside(self, data: bytes, at: int) -> tuple[list[Piece], int]:
        if self._reader is None:
            return [], at
        text, end = self._reader.feed(data[at:]), b""
        at = len(data)
        if self._reader.over:
            # The last line end is part of the text, and of what ends it.
            last = self._line_end if text else b""
            text, end = text.removesuffix(last), last + b"." + self._line_end
            at -= len(self._reader.rest)
            self._reader = None
        return [piece for piece in ((text, True), (end, False)) if piece[0]], at


def is_list(command: object) -> bool:
    """Tell whether the answer to a POP3 command has several lines."""
    match command:
        case Capa() | Envelope() | List(None) | Uidl(None):
            return True
        case _:
            return False
