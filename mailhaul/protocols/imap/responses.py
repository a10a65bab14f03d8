"""Split received bytes into responses, and stream message text (RFC 3501, sections 4.3 and 7).

A response is a line in which any value may be a literal. ``{5}`` at the end of a piece of the line
announces a literal of five octets, and the line continues after it. Literals are collected up to a
limit. Only the literals of BODY[...], BINARY[...] and RFC822 in a FETCH response are message text:
they are passed on as they arrive.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from ..errors import LimitExceeded, RemoteProtocolError
from ..input import InputBuffer
from ..limits import Limits
from ..record import Record
from .events import BodyChunk, BodyEnd, BodyStart, Code, Fetched, NoText
from .values import STREAMED, Atom, Streamed, Text, Value, Values, number

CHUNK = 256 * 1024
"""Maximum number of octets of message text in one event."""
LITERALS = 1000
"""Maximum number of literals in one response."""
EMPTY_LINES = 100
"""Maximum number of consecutive empty lines skipped between two responses."""
BLANKS = b" \t"
OLD_NAMES = {b"RFC822": b"", b"RFC822.HEADER": b"HEADER", b"RFC822.TEXT": b"TEXT"}
"""The old item names of message text, with their sections."""
SECTION = re.compile(rb"(BODY|BINARY)\[([^\]]*)\](?:<(\d{1,20})>)?")
"""The item names of message text (RFC 3501, section 9; RFC 3516, section 4.2)."""
WITH_FREE_TEXT = frozenset({b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"})
"""Untagged responses that end with free text, which never contains a literal."""
LONG = frozenset({b"SEARCH", b"ESEARCH", b"VANISHED", b"SORT"})
"""Responses that may be long without literals, such as the result of a search."""
WITH_VALUES = frozenset({b"LIST", b"LSUB", b"STATUS", b"NAMESPACE", b"ID", b"ESEARCH"})
"""Responses, besides FETCH, that are parsed into values."""


class Response(Record):
    """One complete response, without message text, which was returned as events.

    ``line`` is the response up to its first literal. ``values``, for FETCH and for the responses in
    WITH_VALUES, are its parsed values, beginning with ``*``.
    """

    line: bytes
    values: list[Value] | None = None


TextEvent = BodyStart | BodyChunk | BodyEnd | NoText
Read = Response | TextEvent


class ResponseReader:
    """Splits received data into responses. Call ``read`` until it returns None.

    ``show`` is called with each line, which may echo a secret.
    """

    def __init__(
        self, source: InputBuffer, limits: Limits, show: Callable[[bytes], None] | None = None
    ) -> None:
        self.input = source
        self._limits = limits
        self._show_line = show
        self._line: bytes | None = None
        self._values: Values | None = None
        self._literals = 0
        self._length = 0
        self._held = 0
        self._left = 0
        self._literal: bytearray | None = None
        self._streaming = False
        self._after_text = False
        self._empty_lines = 0

    @property
    def missing(self) -> int:
        """The number of announced octets of message text that have not arrived."""
        return self._left if self._streaming else 0

    @property
    def between_responses(self) -> bool:
        """Whether no part of the next response has been received."""
        return self._line is None and not len(self.input)

    def read(self) -> Read | None:
        """Return the next response or part of message text, or None if more data is needed.

        Raises RemoteProtocolError for a malformed response, and LimitExceeded.
        """
        while True:
            if self._streaming:
                return self._stream()
            if self._literal is not None and not self._collect(self._literal):
                return None
            line = self._take_line()
            if line is None:
                return None
            if self._line is None and not (line := line.lstrip(BLANKS)):
                self._count_empty_line()
                continue
            done = self._begin(line) if self._line is None else self._go_on(line)
            if done is not None:
                return done

    def _count_empty_line(self) -> None:
        """Count an empty line between responses. Raises LimitExceeded for too many in a row."""
        self._length = 0
        self._empty_lines += 1
        if self._empty_lines > EMPTY_LINES:
            raise LimitExceeded("empty lines between responses", EMPTY_LINES)

    def command_over(self) -> None:
        """Restart the count of untagged data for one command."""
        self._held = 0

    def _take_line(self) -> bytes | None:
        limit = self._limits.response_line
        try:
            line = self.input.take_line(limit, "response line")
        except LimitExceeded:
            limit = self._limits.untagged
            if not self._may_be_long():
                raise
            line = self.input.take_line(limit, "response line")
        if line is not None:
            self._count(line, limit)
        return line

    def _may_be_long(self) -> bool:
        match self.input.head(24).upper().split(None, 2):
            case [b"*", name, *_]:
                return self._line is None and name in LONG
            case _:
                return False

    def _count(self, line: bytes, limit: int) -> None:
        self._length += len(line)
        self._held += len(line)
        if self._length > limit:
            raise LimitExceeded("response", limit)
        if self._held > self._limits.untagged:
            raise LimitExceeded("untagged data for one command", self._limits.untagged)

    def _begin(self, line: bytes) -> Read | None:
        """Process the first line of a response."""
        self._empty_lines = 0
        star, *words = [*line[:80].split(None, 3), b""]
        words = [word.upper() for word in words]
        if star == b"*" and words[1:2] == [b"FETCH"]:
            self._values = Values(self._limits.nesting)
            self._show(before_quote(line))
        else:
            self._show(line)
            if star != b"*" or words[0] in WITH_FREE_TEXT:
                self._length = 0
                return Response(line)
            if words[0] in WITH_VALUES:
                self._values = Values(self._limits.nesting, astrings=True)
        text, size = split_literal(line, self._limits.digits)
        self._line = text
        return self._end_piece(text, size)

    def _go_on(self, line: bytes) -> Read | None:
        """Process a line after a literal. If the size was wrong, it may be message text."""
        text, size = split_literal(line, self._limits.digits)
        if self._values is None:
            self._show(line)
        else:
            self._show(b"..." if size is None else b"... {%d}" % size)
        if self._after_text and line[:1] not in {b" ", b")"}:
            raise RemoteProtocolError("message text is longer than its announced size")
        self._after_text = False
        return self._end_piece(text, size)

    def _end_piece(self, text: bytes, size: int | None) -> Read | None:
        if self._values:
            self._values.add(text)
        return self._end_response() if size is None else self._begin_literal(size)

    def _end_response(self) -> Response:
        values = self._values
        response = Response(self._line or b"", values.top if values else None)
        if values and values.innermost is not values.top:
            raise RemoteProtocolError("response ends inside a list")
        self._line = self._values = None
        self._length = self._literals = 0
        return response

    def _begin_literal(self, size: int) -> Read | None:
        self._literals += 1
        if self._literals > LITERALS:
            raise LimitExceeded("literals in one response", LITERALS)
        self._left = size
        start = text_start(self._values, size, self._limits) if self._values else None
        if start is not None and self._values:
            self._streaming = True
            self._values.add(STREAMED)
            return start
        if size > self._limits.literal:
            raise LimitExceeded("literal", self._limits.literal)
        self._literal = bytearray()
        return None

    def _show(self, line: bytes) -> None:
        if self._show_line:
            self._show_line(line)

    def _collect(self, literal: bytearray) -> bool:
        block = self.input.take(self._left)
        literal += block
        self._left -= len(block)
        if self._left:
            return False
        self._held += len(literal)
        if self._values:
            self._values.add(Text(literal))
        self._literal = None
        return True

    def _stream(self) -> Read | None:
        if not self._left:
            self._streaming, self._after_text = False, True
            return BodyEnd()
        block = self.input.take(min(self._left, CHUNK))
        if not block:
            return None
        self._left -= len(block)
        return BodyChunk(block)


def before_quote(line: bytes) -> bytes:
    """Return a line of a FETCH response for a trace, without strings, which may be message text."""
    before, quote, _ = line.partition(b'"')
    return b'%b"..."' % before if quote else line


def split_literal(line: bytes, digits: int) -> tuple[bytes, int | None]:
    """Split a line that ends with ``{5}`` into the text before that, and the announced size.

    ``{5+}`` and ``~{5}`` are accepted too (RFC 7888, RFC 3516). The size is None if the line does
    not announce a literal. Raises RemoteProtocolError if the size has too many digits.
    """
    if not line.endswith(b"}"):
        return line, None
    start = line.rfind(b"{")
    inside = line[start + 1 : -1].removesuffix(b"+")
    if start < 0 or not inside.isdigit():
        return line, None
    if len(inside) > digits:
        raise RemoteProtocolError(f"literal size has more than {digits} digits")
    return line[:start].removesuffix(b"~"), int(inside)


class TextItem(Record):
    """The parsed name of a FETCH item that is message text; see BodyStart."""

    section: bytes
    old_name: bytes = b""
    origin: int | None = None
    binary: bool = False

    def start(self, number: int, uid: int | None, size: int) -> BodyStart:
        """Return the event that begins the text."""
        return BodyStart(number, uid, self.section, size, self.old_name, self.origin, self.binary)


@lru_cache(maxsize=64)
def text_item(name: bytes) -> TextItem | None:
    """Parse an item name in upper case; return None if the item is not message text."""
    if name in OLD_NAMES:
        return TextItem(OLD_NAMES[name], name)
    found = SECTION.fullmatch(name)
    if not found:
        return None
    kind, section, origin = found.groups()
    return TextItem(section, b"", None if origin is None else int(origin), kind == b"BINARY")


def text_start(values: Values, size: int, limits: Limits) -> BodyStart | None:
    """Return the event that begins a literal with message text, or None for other literals."""
    items = fetch_items(values.top)
    if items is None or items is not values.innermost or len(items) % 2 == 0:
        return None
    name = items[-1]
    item = text_item(name.upper()) if isinstance(name, Atom) else None
    if item is None:
        return None
    known = dict(pairs(items[:-1]))
    sequence = number(values.top[1], limits.digits) or 0
    return item.start(sequence, number(known.get(b"UID"), limits.digits), size)


def fetch_items(values: list[Value]) -> list[Value] | None:
    """Return the values in the parentheses of ``* 7 FETCH (...)``, or None."""
    if len(values) == 4 and isinstance(values[2], Atom) and values[2].upper() == b"FETCH":
        items = values[3]
        if isinstance(items, list):
            return items
    return None


def pairs(items: list[Value]) -> list[tuple[bytes, Value]]:
    """Return the names, in upper case, and the values of FETCH items."""
    named: list[tuple[bytes, Value]] = []
    for name, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(name, Atom):
            raise RemoteProtocolError("FETCH item name is not an atom", state="selected")
        named.append((name.upper(), value))
    return named


def fetched(values: list[Value], limits: Limits) -> tuple[list[TextEvent], Fetched]:
    """Return the events of a FETCH response: those of quoted message text, then Fetched."""
    items = fetch_items(values)
    sequence = number(values[1], limits.digits) if len(values) > 1 else None
    if items is None or sequence is None or len(items) % 2:
        raise RemoteProtocolError("malformed FETCH response", state="selected")
    known: dict[bytes, Value] = {}
    texts: list[tuple[TextItem, bytes | None]] = []
    for name, value in pairs(items):
        item = text_item(name)
        if item is None:
            known[name] = value
        elif not isinstance(value, Streamed | list):
            texts.append((item, value))
    event = facts_of(sequence, known, limits.digits)
    events: list[TextEvent] = []
    for item, data in texts:
        if data is None:
            events.append(NoText(sequence, event.uid, item.section))
            continue
        events.append(item.start(sequence, event.uid, len(data)))
        events += [BodyChunk(bytes(data))] if data else []
        events.append(BodyEnd())
    return events, event


def facts_of(sequence: int, known: dict[bytes, Value], digits: int) -> Fetched:
    """Return the event for the items except message text. Removes items from ``known``."""
    uid = number(known.pop(b"UID", None), digits)
    if not known:
        return Fetched(sequence, uid)
    flags = known.pop(b"FLAGS", None)
    date = known.pop(b"INTERNALDATE", None)
    modseq = known.pop(b"MODSEQ", None)
    return Fetched(
        sequence,
        uid,
        number(known.pop(b"RFC822.SIZE", None), digits),
        tuple(bytes(f) for f in flags if isinstance(f, bytes)) if isinstance(flags, list) else None,
        bytes(date) if isinstance(date, Text) else None,
        number(modseq[0], digits) if isinstance(modseq, list) and modseq else None,
        tuple(known.items()),
    )


def split_code(text: bytes) -> tuple[Code | None, bytes]:
    """Split ``[UIDVALIDITY 7] ok`` into the response code and the text (7.1)."""
    if not text.startswith(b"["):
        return None, text
    end = text.find(b"]")
    if end < 0:
        return None, text
    name, _, arguments = text[1:end].strip(b" ").partition(b" ")
    return Code(name.upper(), arguments.lstrip(b" ")), text[end + 1 :].lstrip(b" ")
