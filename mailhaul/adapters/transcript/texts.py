"""Find the texts of messages in the data of a server, so that they can be left out.

These readers follow the framing only: lines, literals, dots. ``cut`` divides received data into
complete lines and pieces of text; an incomplete line is kept until its end arrives.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from ... import pop3
from ...protocols.dots import DotReader

MAX_OCTETS = 128 * 1024
"""The maximum octets of an incomplete line; a longer one is divided."""
LITERAL = re.compile(rb"\{(\d{1,19})\+?\}\r?\n$")
TEXT = re.compile(
    rb"(?:(?:BODY|BINARY)\[[^\]]*\](?:<\d+>)?|RFC822(?:\.TEXT|\.HEADER)?) ~?\{\d+\+?\}\r?\n$",
    re.IGNORECASE,
)
QUOTED_TEXT = re.compile(
    rb'((?:(?:BODY|BINARY)\[[^\]]*\](?:<\d+>)?|RFC822(?:\.TEXT|\.HEADER)?) ")((?:[^"\\]|\\.)*)',
    re.IGNORECASE,
)
HUMAN_TEXT = re.compile(rb"(?:\+|\* (?:OK|NO|BAD|BYE|PREAUTH)|[^*+ ]+ )", re.IGNORECASE)
"""The beginnings of lines that end with human-readable text, which cannot contain a literal."""

Piece = tuple[bytes, bool]
"""Some octets, and whether they are the text of a message."""


class Lines:
    """A server that sends only lines, as in SMTP."""

    def __init__(self) -> None:
        self._line = bytearray()

    def sent(self, command: object) -> None:
        """Record a command whose reply follows."""

    def cut(self, data: bytes) -> Iterator[Piece]:
        """Divide received data into lines and texts."""
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
        """Return and remove the incomplete line."""
        line, self._line = bytes(self._line), bytearray()
        return line

    def _take(self, line: bytes) -> bytes:
        """Handle a line; return it in the form to be recorded."""
        return line

    def _inside(self, data: bytes, at: int) -> tuple[list[Piece], int]:
        """Take the data that belongs to a text or a literal; return it and the end position."""
        return [], at


class ImapTexts(Lines):
    """An IMAP server: literals (RFC 3501, 4.3); those after BODY[...] and the like are texts."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0
        self._text = False
        self._continued = False

    def _take(self, line: bytes) -> bytes:
        literal = None
        if self._continued or not HUMAN_TEXT.match(line):
            literal = LITERAL.search(line)
        self._left = int(literal[1]) if literal else 0
        self._text = bool(literal) and TEXT.search(line) is not None
        self._continued = literal is not None
        return QUOTED_TEXT.sub(lambda found: found[1] + b"x" * len(found[2]), line)

    def _inside(self, data: bytes, at: int) -> tuple[list[Piece], int]:
        if not self._left:
            return [], at
        inside = data[at : at + self._left]
        self._left -= len(inside)
        return [(inside, self._text)], at + len(inside)


class Pop3Texts(Lines):
    """A POP3 server: after +OK to RETR and TOP a text follows, up to its dot (RFC 1939, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self._greeted = False
        self._line_end = b"\r\n"
        self._commands: deque[object] = deque()
        self._reader: DotReader | None = None
        self._listing = False

    def sent(self, command: object) -> None:
        """Record a command: its reply may contain a text or a list."""
        self._commands.append(command)

    def _take(self, line: bytes) -> bytes:
        if self._listing:
            self._listing = line.rstrip(b"\r\n") != b"."
        elif not line.strip(b"\r\n"):
            # The machine skips empty lines before a reply, so this is none.
            pass
        elif not self._greeted:
            self._greeted = True
            self._line_end = b"\r\n" if line.endswith(b"\r\n") else b"\n"
        elif not line.startswith(b"+ ") and self._commands:
            command = self._commands.popleft()
            positive = line[:3].upper() == b"+OK"
            if positive and isinstance(command, pop3.Retrieve | pop3.Top):
                self._reader = DotReader(self._line_end)
            self._listing = positive and is_list(command)
        return line

    def _inside(self, data: bytes, at: int) -> tuple[list[Piece], int]:
        if self._reader is None:
            return [], at
        text, end = self._reader.feed(data[at:]), b""
        at = len(data)
        if self._reader.over:
            # The last line end belongs both to the text and to the terminator.
            last = self._line_end if text else b""
            text, end = text.removesuffix(last), last + b"." + self._line_end
            at -= len(self._reader.rest)
            self._reader = None
        return [piece for piece in ((text, True), (end, False)) if piece[0]], at


def is_list(command: object) -> bool:
    """Whether the reply to a POP3 command has several lines."""
    match command:
        case pop3.Capa() | pop3.Envelope() | pop3.List(None) | pop3.Uidl(None):
            return True
        case _:
            return False
